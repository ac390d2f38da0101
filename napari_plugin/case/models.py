"""Bundles, which image is which channel, and running one on a case or on a box of it (no Qt)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from monai_unet.bundle_format import Bundle, BundleDescription, find_bundles
from monai_unet.errors import InputError
from monai_unet.geometry import Box, Grid, crop_volume, make_box
from monai_unet.interaction.session import SegmentObject
from monai_unet.io import label_color
from monai_unet.io.datasets import Channel, match_sequence, stack_channels
from monai_unet.segmentation import Progress, Segmentation, Segmenter
from napari_plugin.case.opening import OpenImage, onto


@dataclass(frozen=True, eq=False)
class ModelResult:
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
    """Bundles found that have weights, sound metadata, and segment by themselves, those of the package first."""
    return [b for b in find_bundles() if b.has_weights and not b.problem and b.kind == "segmentation"]


def editor_bundles() -> list[Bundle]:
    """Bundles of this package that answer prompts."""
    return [b for b in find_bundles() if b.built_in and b.has_weights and not b.problem and b.kind == "editor"]


def guess(channels: Sequence[Channel], images: Sequence[OpenImage]) -> list[int]:
    """For each channel the index of the image whose description speaks of it; -1 where none does.

    A model of one channel gets the first image of its modality where no description speaks of it.
    """
    spoken = [match_sequence(image.name, channels) for image in images]
    chosen = [spoken.index(channel.name) if channel.name in spoken else -1 for channel in channels]
    if len(channels) == 1 and chosen == [-1] and images:
        fits = [index for index, image in enumerate(images) if image.modality == channels[0].modality]
        chosen = [fits[0] if fits else 0]
    return chosen


def check(segmenter: Segmenter, images: Sequence[OpenImage | None]) -> list[str]:
    """What looks unlike the images that the model was trained on, before it runs."""
    return segmenter.parts.warnings(_stacked(images, None))


def run(
    segmenter: Segmenter,
    images: Sequence[OpenImage | None],
    region: Box | None = None,
    *,
    description: BundleDescription | None = None,
) -> Generator[Progress, None, ModelResult]:
    """Segment images (one per channel, None: missing), only a box of them where `region` is given.

    `description` is the bundle's, which says what labels are parts of one whole.

    Raises:
        InputError: the images cannot be used by this bundle.
    """
    description = description or BundleDescription()
    grid = _first(images).grid
    found: Segmentation = yield from segmenter.steps(_stacked(images, region))
    table = found.table
    objects = [
        SegmentObject(
            value, entry.name, entry.name, entry.color or label_color(value), regions=description.regions_of(value)
        )
        for value, entry in table.items()
    ]
    labels = found.labels.numpy()[0]
    uncertainty = None if found.uncertainty is None else found.uncertainty.numpy()[0]
    provenance = dict(found.provenance)
    if region is not None:
        labels = _back(labels, region, grid)
        uncertainty = None if uncertainty is None else _back(uncertainty, region, grid)
        provenance["region"] = [[part.start, part.stop] for part in region]
    return ModelResult(labels, objects, provenance, uncertainty)


def region_of(corners_mm: Any, axis: int, grid: Grid) -> Box:
    """The box of the grid around two corners of a rectangle (2, 3, RAS mm) drawn across `axis`.

    Along that axis it is as deep as the rectangle is long, around the slice it was drawn in.
    """
    voxels = grid.to_index(corners_mm)
    low, high = np.rint(voxels.min(axis=0)).astype(int), np.rint(voxels.max(axis=0)).astype(int) + 1
    spacing = np.asarray(grid.spacing)
    deep = int(np.ceil(((high - low) * spacing).max() / spacing[axis] / 2))
    low[axis], high[axis] = low[axis] - deep, high[axis] + deep
    shape = np.array(grid.shape)
    return make_box(np.clip(low, 0, shape - 1), np.clip(high, 1, shape))


def _first(images: Sequence[OpenImage | None]) -> OpenImage:
    first = next((image for image in images if image is not None), None)
    if first is None:
        raise InputError("No image was given to the model; choose one for its channel.")
    return first


def _stacked(images: Sequence[OpenImage | None], region: Box | None) -> MetaTensor:
    """One channel each on the grid of the first; a missing one is zero, as models with optional channels expect."""
    first = _first(images)
    blank = MetaTensor(torch.zeros_like(first.volume.as_tensor()), meta=dict(first.volume.meta))
    volume = stack_channels([blank if image is None else onto(image, first).volume for image in images])
    if region is None:
        # a copy: the segmenter may set voxels that are not finite
        return MetaTensor(volume.as_tensor().clone(), meta=dict(volume.meta))
    return crop_volume(volume, region)


def _back(part: Any, region: Box, grid: Grid) -> Any:
    whole = np.zeros(grid.shape, dtype=part.dtype)
    whole[region] = part
    return whole
