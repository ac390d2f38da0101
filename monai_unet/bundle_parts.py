"""A bundle's own network, preprocessing, inferer and postprocessing, built from its inference config."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.transforms import Compose, LoadImage, LoadImaged, SaveImage, SaveImaged
from torch import nn

from monai_unet.catalogue import Bundle
from monai_unet.errors import InputError
from monai_unet.io import LoadVolumed, SaveLabelMapd
from monai_unet.io.head_check import head_warnings
from monai_unet.io.input_check import ExpectedInput, check_input
from monai_unet.io.sequence_check import sequence_warnings
from monai_unet.weights import check_stated_hash, load_weights, sha256_of

SAVES = (SaveImage, SaveImaged, SaveLabelMapd)
PALETTE = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Okabe and Ito's colours, told apart by colour-blind readers too; for bundles that state none."""


@dataclass
class BundleParts:
    """What it takes to run a bundle on a case.

    Attributes:
        bundle: where it comes from.
        device: where the network is.
        network: in evaluation mode, with its weights.
        preprocessing: the bundle's.
        load: the same up to and including the transform that reads files.
        preprocess: the same after it.
        inferer: the bundle's.
        postprocess: the bundle's, without transforms that save.
        weights: the file they came from.
        weights_sha256: its SHA-256.
        reads_working_frame: whether the bundle reads by `LoadVolumed`, that is in axes (S, A, R).
        amp: whether the bundle asks for automatic mixed precision (used on CUDA alone, as by MONAI's evaluator).
    """

    bundle: Bundle
    device: torch.device
    network: nn.Module
    preprocessing: Compose
    load: Compose
    preprocess: Compose
    inferer: Inferer
    postprocess: Compose
    weights: Path
    weights_sha256: str
    reads_working_frame: bool
    amp: bool

    @property
    def loader(self) -> LoadImaged:
        """The transform that reads files."""
        return self.load.transforms[-1]  # type: ignore[return-value]

    @property
    def image_key(self) -> str:
        """The key under which the image travels."""
        return str(self.loader.keys[0])

    @property
    def channels(self) -> list[str]:
        """Names of the input channels, in order; empty when the metadata does not say."""
        own = self.bundle.metadata.get("monai_unet", {}).get("channels")
        if own:
            return [str(channel["name"]) for channel in own]
        image = _image_format(self.bundle, "inputs", self.image_key)
        definition = image.get("channel_def", {})
        return [str(definition.get(str(i), f"channel {i}")) for i in range(int(image.get("num_channels", 0)))]

    @property
    def channel_table(self) -> list[dict[str, Any]]:
        """The metadata's description of each channel: name, synonyms, whether it may be missing ("optional")."""
        own = self.bundle.metadata.get("monai_unet", {}).get("channels")
        return [dict(channel) for channel in own] if own else [{"name": name} for name in self.channels]

    def warnings(self, image: MetaTensor) -> list[str]:
        """Sentences that say what looks unlike the training images, for a bundle whose metadata describes these."""
        described = self.bundle.metadata.get("monai_unet", {})
        if not self.reads_working_frame:
            return []
        sentences = sequence_warnings(image, [str(c["name"]) for c in described.get("channels", [])])
        for index, channel in enumerate(described.get("channels", [])[: len(image)]):
            if channel.get("optional") and not bool(image[index].any()):
                continue
            expected = ExpectedInput.from_dict(channel.get("expected") or described.get("expected") or {})
            head = bool(channel.get("contrast_enhanced_head"))
            if expected != ExpectedInput() or head:
                channel_image = MetaTensor(image.as_tensor()[index : index + 1], meta=image.meta)
                found = check_input(channel_image, expected)
                # what is no image, or of another modality, needs no closer look
                found = found or (head_warnings(channel_image) if head else [])
                sentences += [f"{channel['name']}: {text}" for text in found] if len(image) > 1 else found
        return sentences

    def labels(self) -> tuple[dict[int, str], dict[int, tuple[int, int, int]]]:
        """Names and RGB colours (0 to 255) of the label values that the metadata names."""
        own = self.bundle.metadata.get("monai_unet", {}).get("labels")
        if own:
            names = {int(label["value"]): str(label["name"]) for label in own}
            colors = {int(label["value"]): tuple(label["color"]) for label in own if "color" in label}
        else:
            definition = _image_format(self.bundle, "outputs", "pred").get("channel_def", {})
            # only where channel 0 is the background does a channel's number stand in the label map as it is
            argmax = str(definition.get("0", "")).lower() == "background"
            names = {int(value): str(name) for value, name in definition.items() if int(value) > 0} if argmax else {}
            colors = {}
        return names, {value: colors.get(value, PALETTE[(value - 1) % len(PALETTE)]) for value in names}


def build_parts(bundle: Bundle, *, device: torch.device, checkpoint: str | Path | None = None) -> BundleParts:
    """Build a bundle that may be run (see `monai_unet.trust`): this executes what its config names.

    Raises:
        InputError: no inference config, a part is missing or cannot be built, or the weights do not fit.
    """
    if (bundle.root / "scripts").is_dir() and str(bundle.root) not in sys.path:
        sys.path.insert(1, str(bundle.root))
    parser = _parser(bundle, device)
    network = _get(parser, bundle, "network_def")
    weights = Path(checkpoint) if checkpoint is not None else _stated_weights(parser, bundle)
    if weights.is_file():
        check_stated_hash(bundle, weights)
    load_weights(network, weights)
    preprocessing = _get(parser, bundle, "preprocessing")
    position = _loader_position(bundle, preprocessing)
    loader = preprocessing.transforms[position]
    postprocessing = _get(parser, bundle, "postprocessing")
    kept = [t for t in postprocessing.flatten().transforms if not isinstance(t, SAVES)]
    return BundleParts(
        bundle=bundle,
        device=device,
        network=network.to(device).eval(),
        preprocessing=preprocessing,
        load=Compose(preprocessing.transforms[: position + 1]),
        preprocess=Compose(preprocessing.transforms[position + 1 :], lazy=preprocessing.lazy),
        inferer=_get(parser, bundle, "inferer"),
        postprocess=Compose(kept),
        weights=weights,
        weights_sha256=sha256_of(weights),
        reads_working_frame=isinstance(loader, LoadVolumed),
        amp=_asks_for_amp(parser),
    )


def config_file(bundle: Bundle) -> Path:
    """The bundle's inference config.

    Raises:
        InputError: there is none.
    """
    for name in ("inference.json", "inference.yaml", "inference.yml"):
        if (bundle.root / "configs" / name).is_file():
            return bundle.root / "configs" / name
    raise InputError(f"{bundle.root / 'configs'} holds no inference.json or .yaml; this bundle cannot segment.")


def _parser(bundle: Bundle, device: torch.device) -> ConfigParser:
    # without `excludes`, a bundle's "UNet" could be ours instead of MONAI's, whichever was imported first
    parser = ConfigParser(excludes=["monai_unet"])
    try:
        parser.read_config(str(config_file(bundle)))
        parser.read_meta(str(bundle.root / "configs" / "metadata.json"))
    except ValueError as error:
        raise InputError(f"{config_file(bundle)} or its metadata.json cannot be read ({error}); repair it.") from error
    parser["bundle_root"] = str(bundle.root)
    parser["device"] = device
    return parser


def _get(parser: ConfigParser, bundle: Bundle, key: str) -> Any:
    if key not in parser:
        raise InputError(f"{config_file(bundle)} has no '{key}'; monai-unet cannot run this bundle.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parser.get_parsed_content(key)
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise InputError(
            f"'{key}' in {config_file(bundle)} cannot be built ({type(cause).__name__}: {cause}); "
            "a package it needs may be missing, or its version differs."
        ) from error


def _loader_position(bundle: Bundle, preprocessing: Any) -> int:
    transforms = preprocessing.transforms if isinstance(preprocessing, Compose) else ()
    places = [i for i, transform in enumerate(transforms) if isinstance(transform, (LoadImage, LoadImaged))]
    if len(places) != 1 or not isinstance(transforms[places[0]], LoadImaged):
        raise InputError(
            f"'preprocessing' in {config_file(bundle)} must be a Compose with one LoadImaged; "
            f"found {len(places)}, so monai-unet cannot tell where the image comes in."
        )
    return places[0]


def _components(config: Any) -> Iterator[Mapping[str, Any]]:
    """Every dictionary with a `_target_` below a config."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield config
        for value in config.values():
            yield from _components(value)
    elif isinstance(config, list):
        for value in config:
            yield from _components(value)


def _stated_weights(parser: ConfigParser, bundle: Bundle) -> Path:
    """The file that the config's CheckpointLoader or `ckpt` names, else models/model.pt."""
    stated = [c.get("load_path") for c in _components(parser.get()) if str(c["_target_"]).endswith("CheckpointLoader")]
    candidates = [*stated, parser.get("ckpt")]
    for value in candidates:
        if isinstance(value, str) and value:
            probe = ConfigParser({**parser.get(), "monai_unet_weights": value}, excludes=["monai_unet"])
            path = Path(str(probe.get_parsed_content("monai_unet_weights")))
            return path if path.is_absolute() else bundle.root / path
    return bundle.root / "models" / "model.pt"


def _asks_for_amp(parser: ConfigParser) -> bool:
    for key in ("evaluator#amp", "amp"):
        if key.partition("#")[0] in parser and key in parser:
            return bool(parser.get_parsed_content(key))
    return False


def _image_format(bundle: Bundle, side: str, key: str) -> dict[str, Any]:
    return dict(bundle.metadata.get("network_data_format", {}).get(side, {}).get(key, {}))
