"""The way back from nnU-Net's grid: logits interpolated, decided, and put where the image was cropped from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray

from monai_unet.geometry import grid_of, source_grid
from monai_unet.inferers import Activation, Interpolation, LabelSink, RegionSink, in_pieces
from monai_unet.transforms.nnunet_grid import PlanFrame, box_of
from monai_unet.transforms.spline_resampling import separate_axis

ABOVE_ZERO = float(np.finfo(np.float32).tiny)
"""A region's logit is above 0 from here on: its probability is above a half."""


class NNUNetLabelsd(MapTransform):
    """Logits (C, *plan axes) of an image from `NNUNetPreprocessd` → labels (1, S, A, R) on the grid of the reader.

    Interpolates the logits linearly (slice by slice, nearest in between, where `separate_axis` says so), as nnU-Net
    does, and takes the highest; or, with `region_values`, paints the regions whose probability is above a half in
    their order. Behind monai-unet's segmenter that happens slab by slab, without all classes at full size.

    Args:
        keys: predictions.
        image_key: the preprocessed image that they belong to.
        region_values: value that each output channel paints, in order; empty for classes that exclude each other.
        transpose, orientation, force_separate_z: as for `NNUNetPreprocessd`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        image_key: str = "image",
        region_values: Sequence[int] = (),
        transpose: Sequence[int] = (0, 1, 2),
        orientation: str = "",
        force_separate_z: bool | None = None,
    ) -> None:
        super().__init__(keys)
        self.image_key, self.region_values = image_key, tuple(region_values)
        self.transpose, self.orientation, self.force_separate_z = tuple(transpose), orientation, force_separate_z

    @property
    def activation(self) -> Activation:
        """What would turn the logits into probabilities."""
        return "sigmoid" if self.region_values else "softmax"

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Decide one case."""
        result = dict(data)
        for key in self.key_iterator(result):
            sink = self.sink(result[self.image_key])
            logits = result[key]
            for piece in in_pieces(logits.as_tensor() if isinstance(logits, MetaTensor) else logits):
                sink.add(piece.float())
            result[key] = self.labels(sink, result[self.image_key])
        return result

    def sink(self, image: MetaTensor) -> LabelSink:
        """Where slabs of logits (C, planes, *) go, in order."""
        zooms = self._zooms(image)
        return RegionSink(zooms, threshold=ABOVE_ZERO) if self.region_values else LabelSink(zooms)

    def labels(self, sink: LabelSink, image: MetaTensor) -> MetaTensor:
        """Labels (1, S, A, R) of a full sink, on the grid that the image was read on."""
        frame = self._frame(image)
        box = box_of(image)
        found = sink.finish()
        inside = self._painted(found) if self.region_values else found
        whole = np.zeros(frame.plan_grid.shape, dtype=inside.dtype)
        whole[box] = inside
        back = np.ascontiguousarray(frame.from_plan(whole))
        meta = {**image.meta, "affine": torch.as_tensor(frame.grid.affine)}
        return MetaTensor(torch.from_numpy(back[None].astype(np.float32)), meta=meta)

    def _painted(self, masks: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
        """Masks (C, planes, *) of regions as one label map, later regions on top of earlier ones."""
        kind = np.uint8 if max(self.region_values) < 256 else np.uint16
        labels = np.zeros(masks.shape[1:], dtype=kind)
        for mask, value in zip(masks, self.region_values, strict=True):
            labels[mask > 0] = value
        return labels

    def _frame(self, image: MetaTensor) -> PlanFrame:
        """PlanFrame of the volume that the image was made of."""
        read = source_grid(image.meta).to_working()
        return PlanFrame.of(read, self.orientation or source_grid(image.meta).orientation, self.transpose)

    def _zooms(self, image: MetaTensor) -> list[Interpolation] | None:
        """From the network's grid to the crop's; None where they are the same."""
        box, have = box_of(image), tuple(image.shape[1:])
        crop = self._frame(image).plan_grid.crop(box)
        if crop.shape == have:
            return None
        axis = separate_axis(grid_of(image).spacing, crop.spacing, force=self.force_separate_z)
        return [
            Interpolation(n / out, 0.5 * n / out - 0.5, n, out, nearest=a == axis)
            for a, (n, out) in enumerate(zip(have, crop.shape, strict=True))
        ]
