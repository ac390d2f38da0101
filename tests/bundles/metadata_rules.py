"""Our rules for `metadata.json`, written from MONAI's bundle specification.

Sources: MONAI documentation, "MONAI Bundle Specification", section "metadata.json File", and the official JSON schema
of 2024-07-25 (`SCHEMA`), whose required keys stand here, since tests do not reach the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

SCHEMA = "meta_schema_20240725.json"
REQUIRED = (
    "schema", "version", "changelog", "monai_version", "pytorch_version", "numpy_version", "required_packages_version",
    "task", "description", "authors", "copyright", "network_data_format",
)  # fmt: skip
TENSOR_KEYS = (
    "type",
    "format",
    "num_channels",
    "spatial_shape",
    "dtype",
    "value_range",
    "is_patch_data",
    "channel_def",
)
TENSOR_TYPES = ("image", "series", "tuples", "probabilities")
SIZE = re.compile(r"^(\*|\d+|(\d+\*)?(\d+\*\*)?[a-z])$")


def violations(metadata: dict[str, Any]) -> Iterator[str]:
    """A sentence for each rule that a bundle's metadata breaks."""
    for key in REQUIRED:
        if key not in metadata:
            yield f"{key} is missing"
    if not str(metadata.get("schema", "")).startswith("https://") or not metadata["schema"].endswith(SCHEMA):
        yield f"schema must be the address of {SCHEMA}"
    version = metadata.get("version", "")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"version {version!r} is not of the form 1.2.3"
    if version not in metadata.get("changelog", {}):
        yield f"version {version} is not in the changelog"
    if "optional_packages_version" in metadata:
        yield "optional_packages_version is deprecated, use required_packages_version"
    formats = metadata.get("network_data_format", {})
    for side in ("inputs", "outputs"):
        if not formats.get(side):
            yield f"network_data_format has no {side}"
        for name, tensor in formats.get(side, {}).items():
            yield from _tensor_violations(f"{side}.{name}", tensor)
    yield from _own_violations(metadata)


def _tensor_violations(where: str, tensor: dict[str, Any]) -> Iterator[str]:
    for key in TENSOR_KEYS:
        if key not in tensor:
            yield f"{where}: {key} is missing"
    if tensor.get("type") not in TENSOR_TYPES:
        yield f"{where}: type {tensor.get('type')!r} is none of {TENSOR_TYPES}"
    channels = tensor.get("channel_def", {})
    if sorted(channels) != [str(i) for i in range(tensor.get("num_channels", 0))]:
        yield f"{where}: channel_def does not name channels 0 to {tensor.get('num_channels', 0) - 1}"
    for size in tensor.get("spatial_shape", []):
        if not SIZE.match(str(size)):
            yield f"{where}: {size!r} is no size of the specification"


def _own_violations(metadata: dict[str, Any]) -> Iterator[str]:
    """What the command line and the napari plugin take from the section `monai_unet`."""
    own = metadata.get("monai_unet", {})
    if own.get("axes") != "SAR":
        yield "monai_unet.axes must be SAR"
    inputs = metadata.get("network_data_format", {}).get("inputs", {}).get("image", {})
    channels = own.get("channels", [])
    # a user gives an editor one image; what else its network takes is made from prompts and stands in channel_def, as
    # what a preprocessing makes of an image does
    computed = own.get("computed_channels", 0)
    if len(channels) != (1 if own.get("kind") == "editor" else inputs.get("num_channels", 0) - computed):
        yield "monai_unet.channels does not name each input channel"
    for channel in channels:
        if not channel.get("name") or channel.get("modality") not in ("MR", "CT") or not channel.get("synonyms"):
            yield f"channel {channel} needs name, modality (MR or CT) and synonyms"
    values = [label.get("value") for label in own.get("labels", [])]
    if not values or values != sorted(set(values)) or 0 in values:
        yield "monai_unet.labels must name distinct values above 0"
    for label in own.get("labels", []):
        if len(label.get("color", [])) != 3 or not all(0 <= c <= 255 for c in label["color"]):
            yield f"label {label.get('name')} needs a colour of three numbers 0 to 255"
        if not {"value", "meaning"} <= set(label.get("snomed", {})):
            yield f"label {label.get('name')} needs a SNOMED code (value, meaning)"
