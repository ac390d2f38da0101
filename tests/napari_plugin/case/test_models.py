"""Channels, regions and a real bundle on a box of a volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plugin_cases import write_volume_file
from test_hanging import opened

from monai_unet.bundle_format.catalogue import find_bundle
from monai_unet.io.datasets.channel import Channel
from monai_unet.io.datasets.inventory import Entry
from monai_unet.segmentation.segmenter import Segmenter
from napari_plugin.case import models
from napari_plugin.case.opening import OpenImage


def described(tmp_path: Path, *descriptions: str) -> list[OpenImage]:
    volume = opened(write_volume_file(tmp_path / "volume.nii.gz", "RAS")).volume
    return [
        OpenImage(Entry("p", "DICOM", series=str(n), description=d), volume, "MR") for n, d in enumerate(descriptions)
    ]


CHANNELS = [
    Channel("FLAIR", ("flair", "dark fluid")),
    Channel("T1c", ("t1 post", "t1 gd")),
    Channel("T2", ("t2",), "", True),
]


def test_channels_are_guessed_from_descriptions_in_any_order(tmp_path: Path) -> None:
    images = described(tmp_path, "AX T1 POST", "ep2d_diff", "T2 TSE", "t2 dark fluid")
    # "t2 dark fluid" is FLAIR: the longer words decide
    assert models.guess(CHANNELS, images) == [3, 0, 2]


def test_channel_that_no_description_speaks_of_stays_open(tmp_path: Path) -> None:
    assert models.guess(CHANNELS, described(tmp_path, "localizer")) == [-1, -1, -1]


def test_model_of_one_channel_takes_the_image_there_is(tmp_path: Path) -> None:
    assert models.guess([Channel("T1", ("t1",), "MR")], described(tmp_path, "localizer")) == [0]
    assert models.guess([Channel("T1", ("t1",), "MR")], []) == [-1]


def test_region_is_the_rectangle_and_as_deep_as_it_is_long(tmp_path: Path) -> None:
    grid = opened(write_volume_file(tmp_path / "volume.nii.gz", "RAS", shape=(40, 40, 40), degrees=0.0)).grid
    corners = np.array([[20, 10, 12, 1.0], [20, 17, 28, 1.0]]) @ grid.affine.T
    region = models.region_of(corners[:, :3], 0, grid)
    assert (region[1], region[2]) == (slice(10, 18), slice(12, 29))
    # spacing (2.5, 2, 1.5): 17 voxels of 1.5 mm are 25.5 mm, the depth is at least that, around slice 20
    depth = (region[0].stop - region[0].start) * 2.5
    assert 25.5 <= depth <= 25.5 + 3 * 2.5
    assert region[0].start < 20 < region[0].stop


def test_region_is_cut_at_the_image(tmp_path: Path) -> None:
    grid = opened(write_volume_file(tmp_path / "volume.nii.gz", "RAS")).grid
    corners = np.array([[0, -5, -5, 1.0], [0, 99, 99, 1.0]]) @ grid.affine.T
    region = models.region_of(corners[:, :3], 0, grid)
    assert all(0 <= part.start < part.stop <= n for part, n in zip(region, grid.shape, strict=True))


def test_result_of_a_box_lies_where_the_box_was(tmp_path: Path) -> None:
    bundle = find_bundle("hippocampus_mri")
    if not bundle.has_weights:
        pytest.skip("hippocampus_mri has no weights here")
    segmenter = Segmenter.load(bundle.root, runtime="torch")
    image = opened(write_volume_file(tmp_path / "volume.nii.gz", "LPS", shape=(44, 46, 40), degrees=0.0))
    rng = np.random.default_rng(1)
    image.array[...] = rng.normal(100, 20, image.array.shape)
    region = (slice(4, 30), slice(6, 40), slice(8, 40))
    result = finished(models.run(segmenter, [image], region))
    assert result.labels.shape == image.grid.shape
    outside = result.labels.copy()
    outside[region] = 0
    assert not outside.any()
    # the box alone, as an image of its own, gives the same labels
    alone = segmenter.segment(models._stacked([image], region)).labels.numpy()[0]
    np.testing.assert_array_equal(result.labels[region], alone)
    assert result.provenance["region"] == [[4, 30], [6, 40], [8, 40]]


def finished(steps: object) -> models.ModelResult:
    while True:
        try:
            next(steps)  # type: ignore[call-overload]
        except StopIteration as end:
            return end.value
