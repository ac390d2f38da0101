"""What tests of the dock share: opening a file in it, and a model that is quick and predictable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from canvas_mouse import CanvasMouse

from monai_unet.bundle_format.catalogue import find_bundle
from monai_unet.segmentation.segmenter import Progress, Segmentation


def opened(dock: Any, path: Path, wait: Callable[..., None]) -> CanvasMouse:
    dock.controller.open_paths([path])
    wait(lambda: not dock.controller.jobs.running and dock.editing.session is not None)
    wait(seconds=0.1)
    viewer = dock.viewer
    return CanvasMouse(viewer.window._qt_viewer.canvas, viewer, dock.controller.reference.grid.spacing)


class FakeSegmenter:
    """A model of ten tiles; `fail_at` raises in one of them, `uncertainty` is its uncertainty, `given` what it got."""

    def __init__(
        self, fail_at: int = -1, error: Exception | None = None, tiles: int = 10, uncertainty: Any = None
    ) -> None:
        self.fail_at, self.error, self.tiles = fail_at, error, tiles
        self.parts, self.uncertainty = self, uncertainty
        self.given: Any = None
        self.closed = False

    def warnings(self, image: Any) -> list[str]:
        return []

    def steps(self, volume: Any) -> Iterator[Progress]:
        self.given = volume
        try:
            for tile in range(self.tiles):
                if tile == self.fail_at and self.error is not None:
                    raise self.error
                time.sleep(0.01)
                yield Progress("infer", tile + 1, self.tiles)
        finally:
            self.closed = True
        labels = volume[:1] * 0
        labels[0, 3:6, 4:9, 5:11] = 1
        return Segmentation(labels.to(int), {1: "tumour"}, {1: (1, 2, 3)}, {"bundle": "fake"}, self.uncertainty)


def with_model(dock: Any, segmenter: FakeSegmenter) -> None:
    dock.model._load = lambda bundle, uncertainty: segmenter
    dock.model._loaded = None
    # a model of one channel, which the one open image is
    dock.model.choose(find_bundle("hippocampus_mri"))
