"""Bundles, which image is which channel, and running one on a case or on a box of it (no Qt)."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from monai_unet.catalogue import Bundle, find_bundles
from monai_unet.interaction.boxes import Box, make_box
from monai_unet.interaction.objects import SegmentObject
from monai_unet.io import Grid, grid_of
from monai_unet.io.channels import stack_channels
from monai_unet.segmenter import Progress, Segmentation, Segmenter
from napari_plugin.opening import OpenImage, onto


@dataclass(frozen=True)
class Channel:
    """One input of a model: its name, and words that series descriptions use for it."""

    name: str
    words: tuple[str, ...] = ()
    modality: str = ""


@dataclass(frozen=True)
class Result:
    """A segmentation on the grid of the reference image.

    Attributes:
        labels: (S, A, R).
        objects: its structures.
        provenance: what made it from what.
        uncertainty: (S, A, R), 0 to 1, or None.
    """

    labels: Any
    objects: list[SegmentObject]
    provenance: dict[str, Any]
    uncertainty: Any = None


def usable_bundles() -> list[Bundle]:
    """Bundles found that have weights and label something by themselves, those of the package first."""
    return [bundle for bundle in find_bundles() if bundle.has_weights and not _needs_guidance(bundle)]


def editor_bundles() -> list[Bundle]:
    """Bundles of this package that answer prompts."""
    return [bundle for bundle in find_bundles() if bundle.built_in and bundle.has_weights and _needs_guidance(bundle)]


def _needs_guidance(bundle: Bundle) -> bool:
    """Whether a bundle answers prompts and so cannot run alone: it says so, or has guidance among its channels."""
    own = bundle.metadata.get("monai_unet", {})
    words = " ".join([str(own.get("kind", "")), *(channel.name for channel in channels_of(bundle))]).lower()
    return "interactive" in words or "guidance" in words


def channels_of(bundle: Bundle) -> list[Channel]:
    """What a bundle wants to be given, in order."""
    metadata = bundle.metadata
    own = metadata.get("monai_unet", {}).get("channels")
    if own:
        return [
            Channel(str(c["name"]), tuple(str(w).lower() for w in c.get("synonyms", ())), str(c.get("modality", "")))
            for c in own
        ]
    inputs = metadata.get("network_data_format", {}).get("inputs", {})
    image = inputs.get("image") or next(iter(inputs.values()), {})
    names = image.get("channel_def", {})
    count = int(image.get("num_channels", 1))
    return [
        Channel(str(names.get(str(n), f"channel {n + 1}")), (), str(image.get("modality", ""))) for n in range(count)
    ]


def guess(channels: Sequence[Channel], images: Sequence[OpenImage]) -> list[int]:
    """For each channel the index of the image that its description fits best; images in order where none does.

    No image is taken twice as long as there are others.
    """
    free, chosen = list(range(len(images))), []
    for channel in channels:
        pool = free or list(range(len(images)))
        best = max(pool, key=lambda index: (_fit(channel, images[index]), -index), default=-1)
        chosen.append(best)
        if best in free:
            free.remove(best)
    return chosen


def _fit(channel: Channel, image: OpenImage) -> float:
    name = re.sub(r"[^a-z0-9]+", " ", image.name.lower())
    words = [channel.name.lower(), *channel.words]
    hits = [len(word) for word in words if re.sub(r"[^a-z0-9]+", " ", word) in name]
    right_kind = bool(channel.modality) and image.modality == channel.modality
    return max(hits, default=0) + (0.5 if right_kind else 0.0)


def check(segmenter: Segmenter, images: Sequence[OpenImage]) -> list[str]:
    """What looks unlike the images that the model was trained on, before it runs."""
    volume = _stacked(images, None)
    return segmenter.parts.warnings(volume)


def run(
    segmenter: Segmenter, images: Sequence[OpenImage], region: Box | None = None
) -> Generator[Progress, None, Result]:
    """Segment images (one per channel, on the grid of the first), only a box of them where `region` is given.

    Raises:
        InputError: the images cannot be used by this bundle.
    """
    volume = _stacked(images, region)
    found: Segmentation = yield from segmenter.steps(volume)
    table = found.table
    objects = [
        SegmentObject(value, entry.name, entry.name, entry.color or (255, 255, 255)) for value, entry in table.items()
    ]
    labels = found.labels.numpy()[0]
    doubt = None if found.uncertainty is None else found.uncertainty.numpy()[0]
    provenance = dict(found.provenance)
    if region is not None:
        labels = _back(labels, region, images[0].grid)
        doubt = None if doubt is None else _back(doubt, region, images[0].grid)
        provenance["region"] = [[part.start, part.stop] for part in region]
    return Result(labels, objects, provenance, doubt)


def region_of(corners_mm: Any, axis: int, grid: Grid) -> Box:
    """The box of the grid around two corners of a rectangle (2, 3, RAS mm) drawn across `axis`.

    Along that axis it is as deep as the rectangle is long, around the slice it was drawn in.
    """
    inverse = np.linalg.inv(grid.affine)
    voxels = np.asarray(corners_mm, dtype=float) @ inverse[:3, :3].T + inverse[:3, 3]
    low, high = np.rint(voxels.min(axis=0)).astype(int), np.rint(voxels.max(axis=0)).astype(int) + 1
    spacing = np.asarray(grid.spacing)
    deep = int(np.ceil(((high - low) * spacing).max() / spacing[axis] / 2))
    low[axis], high[axis] = low[axis] - deep, high[axis] + deep
    shape = np.array(grid.shape)
    return make_box(np.clip(low, 0, shape - 1), np.clip(high, 1, shape))


def _stacked(images: Sequence[OpenImage], region: Box | None) -> MetaTensor:
    volume = stack_channels([onto(image, images[0]).volume for image in images])
    if region is None:
        # a copy: the segmenter may set voxels that are not finite
        return MetaTensor(volume.as_tensor().clone(), meta=dict(volume.meta))
    affine = grid_of(volume).affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in region]
    cut = volume.as_tensor()[(slice(None), *region)].clone()
    meta = dict(volume.meta) | {
        "affine": torch.as_tensor(affine),
        "original_affine": torch.as_tensor(affine),
        "spatial_shape": np.array(cut.shape[1:]),
    }
    return MetaTensor(cut, meta=meta)


def _back(part: Any, region: Box, grid: Grid) -> Any:
    whole = np.zeros(grid.shape, dtype=part.dtype)
    whole[region] = part
    return whole
