"""A postprocessing that inverts and then takes the argmax or a threshold, done slab by slab instead of at full size.

The stock transforms hold all classes on the grid of the file. Where a bundle's postprocessing is `Invertd` followed by
`AsDiscreted(argmax=True)` or `AsDiscreted(threshold=...)`, with or without softmax or sigmoid before, and the
preprocessing changed the grid by `Orientationd` and one axis-aligned `Spacingd` alone, the same labels come from
interpolating and comparing row by row; whatever follows (largest component, for example) then runs as it stands.
Anything else takes the stock path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Activationsd, AsDiscreted, Compose, Invertd, Orientation, Transform
from monai.utils import TraceKeys
from torch import Tensor

from monai_unet.bundle_format import BundleParts
from monai_unet.inferers import Interpolation, LabelSink, RegionSink
from monai_unet.mappings import CaseDict, Json
from monai_unet.segmentation.largest_parts import is_keep_largest, keep_largest
from monai_unet.transforms import NNUNetLabelsd

SAME = 1e-3
"""Within this, in voxels per voxel, MONAI takes two affines as equal and does not resample (AFFINE_TOL)."""


@dataclass(eq=False)
class FusedPostprocessing:
    """What replaces the first transforms of a bundle's postprocessing.

    Attributes:
        activation: "softmax" or "sigmoid", applied to each slab first; "" for none.
        threshold: of regions that may overlap; None for the argmax.
        zooms: from the network's grid to the one before `Spacingd`; None where they are the same.
        affine: of that grid.
        turns: affines that `Orientationd` found, last first; the labels are turned back to each.
        meta: metadata of the image.
        rest: the remaining transforms.
    """

    activation: str
    threshold: float | None
    zooms: list[Interpolation] | None
    affine: np.ndarray
    turns: list[np.ndarray]
    meta: Json
    rest: Compose

    def sink(self) -> LabelSink:
        """Where the slabs go."""
        return LabelSink(self.zooms) if self.threshold is None else RegionSink(self.zooms, threshold=self.threshold)

    def scores(self, logits: Tensor) -> Tensor:
        """What is interpolated: (C, planes, A, R)."""
        if self.activation == "sigmoid":
            return logits.sigmoid()
        return logits.softmax(0) if self.activation == "softmax" else logits

    def finish(self, sink: LabelSink, data: CaseDict) -> Tensor:
        """The bundle's final `pred`; in bytes where nothing but the largest parts is left to do."""
        found = sink.finish()
        channels = found[None] if self.threshold is None else found
        rest = list(self.rest.transforms)
        while self.threshold is None and rest and is_keep_largest(rest[0]):
            keep_largest(found, rest.pop(0))
        # as small as they are, they are turned; transforms that nobody knows get what MONAI's would give them
        array = channels if not rest and found.dtype == np.uint8 else channels.astype(np.float32)
        labels = MetaTensor(torch.from_numpy(array), meta=dict(self.meta))
        labels.affine = torch.as_tensor(self.affine)
        for affine in self.turns:
            axcodes = "".join(nib.orientations.aff2axcodes(affine))
            labels = cast(MetaTensor, Orientation(axcodes=axcodes, labels=None)(labels))
        labels.applied_operations = []
        return Compose(rest)({**data, "pred": labels})["pred"] if rest else labels


@dataclass(eq=False)
class FusedNNUNetLabels:
    """The same for `NNUNetLabelsd`, which knows the way back from nnU-Net's grid.

    Attributes:
        first: that transform.
        image: the preprocessed image.
        rest: the remaining transforms.
    """

    first: NNUNetLabelsd
    image: MetaTensor
    rest: Compose

    def sink(self) -> LabelSink:
        """Where the slabs go."""
        return self.first.sink(self.image)

    def scores(self, logits: Tensor) -> Tensor:
        """What is interpolated: the logits (C, planes, A, R) themselves."""
        return logits

    def finish(self, sink: LabelSink, data: CaseDict) -> Tensor:
        """The bundle's final `pred`."""
        labels = self.first.labels(sink, self.image)
        return self.rest({**data, "pred": labels})["pred"] if self.rest.transforms else labels


def plan_fused(parts: BundleParts, image: MetaTensor) -> FusedPostprocessing | FusedNNUNetLabels | None:
    """The fused form of a bundle's postprocessing for this image, or None where it might differ.

    Image (C, S, A, R), preprocessed intensities.
    """
    transforms = list(parts.postprocess.transforms)
    if transforms and type(transforms[0]) is NNUNetLabelsd and tuple(transforms[0].keys) == ("pred",):
        return FusedNNUNetLabels(transforms[0], image, Compose(transforms[1:]))
    activation = _activation(transforms[0]) if transforms else ""
    if activation:
        transforms.pop(0)
    if len(transforms) < 2 or not _is_inversion(transforms[0], parts):
        return None
    threshold = _threshold(transforms[1])
    if threshold is None and not _is_argmax(transforms[1]):
        return None
    grid = _grid_change(image)
    if grid is None:
        return None
    zooms, affine, turns = grid
    return FusedPostprocessing(activation, threshold, zooms, affine, turns, image.meta, Compose(transforms[2:]))


def _activation(transform: Transform) -> str:
    if type(transform) is not Activationsd or tuple(transform.keys) != ("pred",) or any(transform.other):
        return ""
    if set(transform.converter.kwargs) - {"dim"} or transform.converter.kwargs.get("dim", 0) != 0:
        return ""
    asked = [name for name in ("softmax", "sigmoid") if tuple(getattr(transform, name)) == (True,)]
    return asked[0] if len(asked) == 1 else ""


def _is_inversion(transform: Transform, parts: BundleParts) -> bool:
    return (
        type(transform) is Invertd
        and tuple(transform.keys) == ("pred",)
        and transform.transform is parts.preprocessing
        and tuple(transform.orig_keys) == (parts.image_key,)
        and tuple(transform.nearest_interp) == (False,)
        and not any(transform.post_func)
    )


def _is_argmax(transform: Transform) -> bool:
    return (
        type(transform) is AsDiscreted
        and tuple(transform.keys) == ("pred",)
        and tuple(transform.argmax) == (True,)
        and not any(value is not None for value in (*transform.to_onehot, *transform.threshold, *transform.rounding))
        and set(transform.converter.kwargs) <= {"dim"}
        and transform.converter.kwargs.get("dim", 0) == 0
    )


def _threshold(transform: Transform) -> float | None:
    if type(transform) is not AsDiscreted or tuple(transform.keys) != ("pred",):
        return None
    others = (*transform.argmax, *transform.to_onehot, *transform.rounding)
    return None if any(others) or transform.converter.kwargs else transform.threshold[0]


def _grid_change(image: MetaTensor) -> tuple[list[Interpolation] | None, np.ndarray, list[np.ndarray]] | None:
    """How the inverse leads from the image's grid to that of the file; None where it is not known to be simple."""
    affine, shape = np.asarray(image.affine, dtype=float), tuple(image.shape[1:])
    operations = list(image.applied_operations)
    zooms: list[Interpolation] | None = None
    if operations and operations[-1][TraceKeys.CLASS_NAME] == "SpatialResample":
        last = operations.pop()
        info = last[TraceKeys.EXTRA_INFO]
        if (
            info["mode"] != "bilinear"
            or info["padding_mode"] != "border"
            or info["align_corners"]
            not in (
                False,
                TraceKeys.NONE,
            )
        ):
            return None
        before, target = np.asarray(info["src_affine"], dtype=float), tuple(last[TraceKeys.ORIG_SIZE])
        step = np.linalg.solve(affine, before)
        if not (np.allclose(step, np.eye(4), atol=SAME) and target == shape):
            off_axis = np.abs(step[:3, :3] - np.diag(np.diag(step[:3, :3]))) @ np.array(target)
            if off_axis.max() > 1e-4 or np.diag(step).min() <= 0:
                return None
            zooms = [Interpolation(step[i, i], step[i, 3], shape[i], target[i]) for i in range(3)]
        affine = before
    turns: list[np.ndarray] = []
    for operation in reversed(operations):
        if operation[TraceKeys.CLASS_NAME] != "Orientation" or operation.get("lazy"):
            return None
        turns.append(np.asarray(operation[TraceKeys.EXTRA_INFO]["original_affine"], dtype=float))
    return zooms, affine, turns
