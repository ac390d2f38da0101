"""A bundle's own network, preprocessing, inferer and postprocessing, built from its inference config."""

from __future__ import annotations

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

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.json_values import read_object
from monai_unet.bundle_format.own_code import bundle_parser, own_imports
from monai_unet.bundle_format.private_copy import as_shown, named_as_shown
from monai_unet.bundle_format.trust import trusted_copy
from monai_unet.bundle_format.weights import check_stated_hash, load_weights
from monai_unet.errors import InputError
from monai_unet.io import LoadVolumed, SaveLabelMapd
from monai_unet.io.datasets import Channel, ExpectedInput, check_input, head_warnings, sequence_warnings, skull_warnings

SAVES = (SaveImage, SaveImaged, SaveLabelMapd)


@dataclass
class BundleParts:
    """What it takes to run a bundle on a case.

    Attributes:
        bundle: what runs: one that is not built in, in its private copy.
        device: where the network is.
        network: in evaluation mode, with its weights.
        preprocessing: the bundle's.
        load: the same up to and including the transform that reads files.
        preprocess: the same after it.
        inferer: the bundle's.
        postprocess: the bundle's, without transforms that save.
        weights: the file they came from.
        weights_sha256: of what was loaded.
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
    def channels(self) -> tuple[Channel, ...]:
        """The images that the user gives, in order; empty when the metadata does not say."""
        return self.bundle.description.channels

    def warnings(self, image: MetaTensor) -> list[str]:
        """Sentences that say what looks unlike the training images (C, S, A, R), for a bundle that describes these."""
        if not self.reads_working_frame:
            return []
        sentences = sequence_warnings(image, [channel.name for channel in self.channels])
        for index, channel in enumerate(self.channels[: len(image)]):
            if channel.optional and not bool(image[index].any()):
                continue
            looks = channel.contrast_enhanced_head or channel.skull_stripped
            if channel.expected != ExpectedInput() or looks:
                channel_image = MetaTensor(image.as_tensor()[index : index + 1], meta=dict(image.meta))
                found = check_input(channel_image, channel.expected)
                # what is no image, or of another modality, needs no closer look
                found = found or (head_warnings(channel_image) if channel.contrast_enhanced_head else [])
                found = found or (skull_warnings(channel_image) if channel.skull_stripped else [])
                sentences += [f"{channel.name}: {text}" for text in found] if len(image) > 1 else found
        return sentences


def build_parts(bundle: Bundle, *, device: torch.device, checkpoint: str | Path | None = None) -> BundleParts:
    """Build a bundle that may be run: this executes what its config names.

    A bundle that is not built in is built from a private copy of files that the user has agreed to, and sees its own
    Python modules alone (see `monai_unet.bundle_format.trust` and `monai_unet.bundle_format.own_code`).

    Raises:
        InputError: never agreed to, no inference config, a part is missing or cannot be built, or the weights do not
            fit.
    """
    runs = trusted_copy(bundle)
    with named_as_shown(runs), own_imports(runs):
        return _build(runs, device, checkpoint)


def _build(bundle: Bundle, device: torch.device, checkpoint: str | Path | None) -> BundleParts:
    parser = _parser(bundle, device)
    network = _get(parser, bundle, "network_def")
    weights = Path(checkpoint) if checkpoint is not None else _stated_weights(parser, bundle)
    if weights.is_file():
        check_stated_hash(bundle, weights)
    weights_sha256 = load_weights(network, weights)
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
        weights=as_shown(bundle, weights),
        weights_sha256=weights_sha256,
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
    parser = bundle_parser(bundle)
    try:
        parser.read_config(str(config_file(bundle)))
    except ValueError as error:
        raise InputError(f"{config_file(bundle)} cannot be read ({error}); correct the file.") from error
    parser.read_meta(read_object(bundle.metadata_file))
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
            probe = bundle_parser(bundle, {**parser.get(), "monai_unet_weights": value})
            path = Path(str(probe.get_parsed_content("monai_unet_weights")))
            return path if path.is_absolute() else bundle.root / path
    return bundle.root / "models" / "model.pt"


def _asks_for_amp(parser: ConfigParser) -> bool:
    for key in ("evaluator#amp", "amp"):
        if key.partition("#")[0] in parser and key in parser:
            return bool(parser.get_parsed_content(key))
    return False
