"""nnU-Net's preprocessing of one case as a transform: axes, crop to what is not zero, intensities, spacing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray
from scipy import ndimage

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, grid_of, meta_of, source_grid
from monai_unet.io import NOTES, notes_of
from monai_unet.transforms.nnunet_grid import BOX, PlanFrame, nonzero_box, resampled_affine
from monai_unet.transforms.nnunet_intensities import normalised, require_scheme
from monai_unet.transforms.spline_resampling import new_shape, resample, separate_axis

_UNKNOWN_AXES = (
    "This model takes images in the axis order of their files, and of which order its training's files were is not "
    "known: the DICOM series was given to it as {0}. If the training's files were stored in another order, import the "
    "model again with --orientation; left and right, or front and back, may be exchanged otherwise."
)


class NNUNetPreprocessd(MapTransform):
    """What `DefaultPreprocessor` of nnU-Net v2 does to a case, from a volume (C, S, A, R) of `LoadVolumed`.

    The image comes out as (C, *plan axes), float32, with the affine of its own grid; `meta["nonzero_box"]` says what
    was cropped. `NNUNetLabelsd` is the way back.

    Args:
        keys: images.
        spacing: of the network's grid in mm, in the plans' axes; two numbers for slices, which keep their distance.
        schemes: normalisation of each channel, by nnU-Net's names.
        masked: for each channel, whether statistics are taken, and applied, where the image is not zero.
        intensities: for each channel the numbers that `CTNormalization` takes.
        transpose: `transpose_forward` of the plans.
        orientation: three letters, the directions of the stored axes of the training's files ("RAS", "LPS"), to which
            every image is turned; "" takes an image as its own file stores it, as nnU-Net does.
        order, force_separate_z: of the resampling, as in the plans.

    Raises:
        InputError: an unknown scheme, or another number of channels.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        spacing: Sequence[float],
        schemes: Sequence[str],
        masked: Sequence[bool],
        intensities: Sequence[Mapping[str, float]] = (),
        transpose: Sequence[int] = (0, 1, 2),
        orientation: str = "",
        order: int = 3,
        force_separate_z: bool | None = None,
    ) -> None:
        super().__init__(keys)
        self.spacing, self.schemes, self.masked = tuple(spacing), tuple(schemes), tuple(masked)
        self.intensities = tuple(intensities) or ({},) * len(self.schemes)
        for scheme, stated in zip(self.schemes, self.intensities, strict=True):
            require_scheme(scheme, stated)
        self.transpose, self.orientation = tuple(transpose), orientation
        self.order, self.force_separate_z = order, force_separate_z

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Preprocess one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self._prepared(result[key])
        return result

    def _prepared(self, image: MetaTensor) -> MetaTensor:
        if len(image) != len(self.schemes):
            raise InputError(f"this model needs {len(self.schemes)} channels, and {len(image)} were given.")
        if "original_affine" not in image.meta:  # of no file: as a file in RAS holds it
            grid = grid_of(image)
            image = MetaTensor(image, meta={**image.meta, **meta_of(grid, of_file=grid.to_axes("RAS"))})
        frame = PlanFrame.of(grid_of(image), self.orientation or source_grid(image.meta).orientation, self.transpose)
        turned = [frame.to_plan(channel.numpy()) for channel in image.as_tensor()]
        box = nonzero_box(turned)
        whole = frame.plan_grid
        cropped = whole.crop(box)
        channels = [np.array(channel[box], dtype=np.float32, order="C") for channel in turned]
        mask = nonzero_mask(channels) if any(self.masked) else None
        shape, axis = self._target(cropped)
        made = []
        for channel, scheme, masked, stated in zip(channels, self.schemes, self.masked, self.intensities, strict=True):
            values = normalised(channel, scheme, mask if masked else None, stated)
            made.append(resample(values, shape, axis=axis, order=self.order))
        ends = np.array([[part.start, part.stop] for part in box])
        meta = {**image.meta, "affine": torch.as_tensor(resampled_affine(cropped, shape)), BOX: ends}
        if not self.orientation and "series_uid" in image.meta:
            meta[NOTES] = (*notes_of(image.meta), _UNKNOWN_AXES.format(source_grid(image.meta).orientation))
        return MetaTensor(torch.from_numpy(np.stack(made)), meta=meta)

    def _target(self, grid: Grid) -> tuple[tuple[int, ...], int | None]:
        """Shape to resample to, and the axis of slices that are resampled one by one."""
        wanted = (*grid.spacing[: 3 - len(self.spacing)], *self.spacing)
        axis = separate_axis(grid.spacing, wanted, force=self.force_separate_z)
        return new_shape(grid.shape, grid.spacing, wanted), axis


def nonzero_mask(channels: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Where some channel (Z, Y, X) is not zero, holes filled (6 neighbours), as a mask of the same shape."""
    filled = np.any([channel != 0 for channel in channels], axis=0)
    outside, _ = ndimage.label(np.pad(~filled, 1, constant_values=True))
    return (outside != outside[0, 0, 0])[1:-1, 1:-1, 1:-1]
