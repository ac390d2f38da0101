"""A segmenter without a network, so that what happens to files can be tried a thousand times."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from monai_unet.io import read_volume
from monai_unet.segmentation import PreparedCase, Progress, Segmentation


class StubSegmenter:
    """The mask is where the image is above 0; `weights` stands for a model, `precision` for an option."""

    def __init__(self, root: Path, *, weights: str = "1", precision: str = "fp32", uncertainty: bool = False) -> None:
        bundle = SimpleNamespace(root=root, name="stub")
        self.parts = SimpleNamespace(bundle=bundle, weights_sha256=weights)
        self.engine = SimpleNamespace(precision=precision, runtime="auto")
        self.uncertainty, self.weights = uncertainty, weights

    def read(self, images: Sequence[Path | None]) -> Any:
        """The first image."""
        return read_volume(next(image for image in images if image is not None))

    def preprocess(self, case: Any) -> Any:
        """Nothing."""
        return case

    def infer(self, image: PreparedCase) -> Generator[Progress, None, Segmentation]:
        """One step."""
        assert isinstance(image, MetaTensor)
        yield Progress("infer", 1, 1)
        labels = MetaTensor((image.as_tensor() > 0).to(torch.uint8) * int(self.weights), meta=dict(image.meta))
        uncertainty = MetaTensor(np.zeros(image.shape, np.float32), meta=dict(image.meta)) if self.uncertainty else None
        stated = {"bundle": "stub", "weights_sha256": self.weights, "source": str(image.meta["filename_or_obj"])}
        return Segmentation(labels, {1: "thing"}, {1: (255, 0, 0)}, stated, uncertainty)
