"""What of `plans.json` and `dataset.json` decides how a model is run, checked and in one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monai_unet.bundle_format.json_values import Value, read_object
from monai_unet.bundle_format.nnunet.architecture import network_arguments
from monai_unet.bundle_format.nnunet.label_plan import LabelPlan, read_labels
from monai_unet.errors import InputError
from monai_unet.mappings import Json
from monai_unet.transforms import require_scheme

_READERS = {"SimpleITKIO": "", "NibabelIO": "", "SimpleITKIOWithReorient": "RAS", "NibabelIOWithReorient": "RAS"}
_RESAMPLING = "resample_data_or_seg_to_shape"
_NUMBERS = ("mean", "std", "percentile_00_5", "percentile_99_5")


@dataclass(frozen=True)
class ModelPlan:
    """How nnU-Net runs a model.

    Attributes:
        data_set, configuration: names.
        channels: names of the input channels.
        labels: what the outputs mean.
        spacing: of the network's grid in mm, in the plans' axes; two numbers for a network of slices.
        patch: window in voxels, three numbers (the first 1 for slices).
        transpose: `transpose_forward`.
        orientation: to which its reader turns images, "" for none.
        schemes, masked, intensities: normalisation of each channel.
        order: of the spline that resamples images.
        separate_z, separate_z_labels: `force_separate_z` of images and of probabilities.
        network: arguments of `monai_unet.networks.PlansUNet`.
        licence, reference: as the data set states them.
    """

    data_set: str
    configuration: str
    channels: tuple[str, ...]
    labels: LabelPlan
    spacing: tuple[float, ...]
    patch: tuple[int, int, int]
    transpose: tuple[int, int, int]
    orientation: str
    schemes: tuple[str, ...]
    masked: tuple[bool, ...]
    intensities: tuple[Mapping[str, float], ...]
    order: int
    separate_z: bool | None
    separate_z_labels: bool | None
    network: Json = field(hash=False)
    licence: str = ""
    reference: str = ""

    @property
    def of_slices(self) -> bool:
        """Whether the network sees one slice at a time."""
        return len(self.spacing) == 2


def read_model_plan(root: Path, configuration: str) -> ModelPlan:
    """The plan of one configuration in a model's folder.

    Raises:
        InputError: something missing, of the wrong kind, or that this program cannot run as nnU-Net does.
    """
    plans = Value(read_object(root / "plans.json"), str(root / "plans.json"))
    data = Value(read_object(root / "dataset.json"), str(root / "dataset.json"))
    for key, known in (("label_manager", "LabelManager"),):
        _only(plans.at(key), known)
    chosen = _resolved(plans, configuration)
    if chosen.at("previous_stage").stated:
        raise InputError(
            f"'{configuration}' in {plans.source} is the second stage of a cascade, which is not imported yet; import "
            "3d_fullres or 3d_lowres."
        )
    _only(chosen.at("preprocessor_name"), "DefaultPreprocessor")
    channels = _channels(data)
    schemes = tuple(scheme.text() for scheme in chosen.at("normalization_schemes").items())
    masked = tuple(mask.flag() for mask in chosen.at("use_mask_for_norm").items())
    if not len(channels) == len(schemes) == len(masked):
        raise InputError(f"{plans.source} normalises {len(schemes)} channels, and the data set has {len(channels)}.")
    intensities = _intensities(plans, len(channels))
    for scheme, stated in zip(schemes, intensities, strict=True):
        require_scheme(scheme, stated)
    labels = read_labels(data)
    patch, spacing = _sizes(chosen)
    order, separate = _resampling(chosen, "resampling_fn_data", (0, 1, 2, 3))
    _, separate_labels = _resampling(chosen, "resampling_fn_probabilities", (1,))
    return ModelPlan(
        data_set=plans.at("dataset_name").text(),
        configuration=configuration,
        channels=channels,
        labels=labels,
        spacing=spacing,
        patch=patch,
        transpose=_transpose(plans),
        orientation=_reader(plans),
        schemes=schemes,
        masked=masked,
        intensities=intensities,
        order=order,
        separate_z=separate,
        separate_z_labels=separate_labels,
        network={
            "in_channels": len(channels),
            "out_channels": labels.outputs,
            **network_arguments(chosen, len(spacing)),
        },
        licence=(data.at("licence").stated and _said(data.at("licence"))) or _said(data.at("license")),
        reference=_said(data.at("reference")),
    )


def _resolved(plans: Value, configuration: str) -> Value:
    """A configuration with what it inherits."""
    every, name = plans.at("configurations"), configuration
    merged: Json = {}
    visited: list[str] = []
    while name:
        if name in visited or name not in every.table():
            known = ", ".join(str(key) for key in every.table()) or "none, so that these are no plans of nnU-Net v2"
            raise InputError(f"{plans.source} has no configuration '{name}'; it has {known}.")
        visited.append(name)
        found = dict(every.at(name).table())
        name = str(found.get("inherits_from", ""))
        merged = {**found, **merged}
    return Value(merged, plans.source, f"configurations.{configuration}")


def _only(value: Value, known: str) -> None:
    if value.stated and value.text() != known:
        raise InputError(
            f"'{value.place}' in {value.source} is '{value.text()}', which changes what nnU-Net does; only {known} is "
            "imported."
        )


def _channels(data: Value) -> tuple[str, ...]:
    stated = data.at("channel_names") if data.at("channel_names").stated else data.at("modality")
    names = stated.table()
    if not names:
        raise stated.wrong("the names of the channels")
    ordered = sorted(names, key=lambda key: int(key) if str(key).isdigit() else 0)
    found: list[str] = []
    for key in ordered:
        name = stated.at(str(key)).text() or f"channel {key}"
        found.append(name if name not in found else f"{name} ({key})")
    return tuple(found)


def _intensities(plans: Value, count: int) -> tuple[Mapping[str, float], ...]:
    new = plans.at("foreground_intensity_properties_per_channel")
    stated = new if new.stated else plans.at("foreground_intensity_properties_by_modality")
    found = []
    for channel in range(count):
        numbers = stated.at(str(channel)).table()
        found.append({key: float(numbers[key]) for key in _NUMBERS if isinstance(numbers.get(key), int | float)})
    return tuple(found)


def _sizes(chosen: Value) -> tuple[tuple[int, int, int], tuple[float, ...]]:
    patch = [int(size.whole(1, 65535) or 0) for size in chosen.at("patch_size").items()]
    spacing = chosen.at("spacing")
    edges = spacing.numbers(len(patch)) if len(patch) in (2, 3) else None
    if edges is None or min(edges) <= 0 or min(patch) < 1:
        raise spacing.wrong("two or three voxel sizes in mm, as many as patch_size has")
    whole = [1] * (3 - len(patch)) + patch
    return (whole[0], whole[1], whole[2]), tuple(float(edge) for edge in edges)


def _transpose(plans: Value) -> tuple[int, int, int]:
    axes = [axis.whole(0, 2) for axis in plans.at("transpose_forward").items()]
    if sorted(axis for axis in axes if axis is not None) != [0, 1, 2] or len(axes) != 3:
        raise plans.at("transpose_forward").wrong("the axes 0, 1, 2 in some order")
    first, second, third = (int(axis or 0) for axis in axes)
    return first, second, third


def _reader(plans: Value) -> str:
    name = plans.at("image_reader_writer").text()
    if name not in _READERS:
        raise InputError(
            f"the images of this model are read by '{name}' ({plans.source}); only those of {', '.join(_READERS)} are "
            "imported."
        )
    return _READERS[name]


def _resampling(chosen: Value, key: str, orders: tuple[int, ...]) -> tuple[int, bool | None]:
    """Order and `force_separate_z` of one resampling."""
    _only(chosen.at(key), _RESAMPLING)
    options = chosen.at(f"{key}_kwargs")
    order, order_z = options.at("order").whole(0, 5), options.at("order_z").whole(0, 5)
    if order not in orders or order_z not in (0, None):
        raise InputError(
            f"'{options.place}' in {options.source} asks for order {order} (between slices {order_z}); imported are "
            f"{' or '.join(map(str, orders))} (between slices 0)."
        )
    separate = options.table().get("force_separate_z")
    if separate not in (None, True, False):
        raise options.at("force_separate_z").wrong("true, false or null")
    unknown = set(options.table()) - {"is_seg", "order", "order_z", "force_separate_z"}
    if unknown:
        raise InputError(f"'{options.place}' in {options.source} has {', '.join(sorted(unknown))}, which is not known.")
    return int(order), separate


def _said(value: Value) -> str:
    return value.content if isinstance(value.content, str) else ""
