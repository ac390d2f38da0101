"""The demonstration end to end, on the template from the package index."""

import csv

import nibabel as nib
import numpy as np
import pytest
from fetched import fetched_or_skip

from monai_unet.cli import main
from monai_unet.geometry import crop_volume
from monai_unet.io import read_volume
from monai_unet.samples import hippocampus_demo as demo


@pytest.fixture(scope="module")
def template():
    return fetched_or_skip(demo.template)


@pytest.fixture(scope="module")
def result(template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    assert main(["demo", "hippocampus", "--output", str(folder)]) == 0
    return folder


def _totals(folder):
    totals = {"left": 0.0, "right": 0.0}
    with (folder / "measurements.csv").open() as file:
        for row in csv.DictReader(file):
            totals[row["side"]] += float(row["volume_ml"])
    return totals


def test_both_hippocampi_of_the_symmetric_template_have_one_plausible_size(result):
    totals = _totals(result)
    assert totals["left"] == pytest.approx(totals["right"], rel=0.05)
    assert all(2 <= volume <= 6 for volume in totals.values())


def test_the_mask_lies_on_the_templates_grid_where_hippocampi_are(result, template):
    mask, image = nib.load(result / "hippocampus.nii.gz"), nib.load(template)
    assert mask.shape == image.shape
    assert np.array_equal(mask.affine, image.affine)
    found = np.argwhere(np.asarray(mask.dataobj) > 0)
    millimetres = nib.affines.apply_affine(mask.affine, found)
    for side, sign in (("left", -1), ("right", 1)):
        centre = millimetres[np.sign(millimetres[:, 0]) == sign].mean(0)
        # Talairach-like atlases place the hippocampi here; 8 mm is less than their width
        assert np.linalg.norm(centre - demo.CENTRES_MM[side]) < 8, side


def test_volumes_count_the_voxels_of_the_mask(result):
    mask = np.asarray(nib.load(result / "hippocampus.nii.gz").dataobj)
    assert sum(_totals(result).values()) == pytest.approx((mask > 0).sum() / 1000, abs=0.01)


def test_the_picture_is_a_picture(result):
    assert (result / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert (result / "picture.png").stat().st_size > 50_000


def test_a_crop_keeps_each_voxel_where_it_is(template):
    image = read_volume(template)
    box = demo.box_around(image, demo.CENTRES_MM["left"], 20)
    part = crop_volume(image, box)
    assert part.shape[1:] == (21, 21, 21)
    inside = np.array([3, 4, 5, 1.0])
    whole = inside + np.array([*(s.start for s in box), 0])
    np.testing.assert_allclose(np.asarray(part.affine) @ inside, np.asarray(image.affine) @ whole)
    assert part[0, 3, 4, 5] == image[(0, *(int(i) for i in whole[:3]))]
