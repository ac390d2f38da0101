"""The demonstration with a tumour, on the volume in the sources of pyradiomics; without it, the other demonstration."""

import csv

import nibabel as nib
import numpy as np
import pytest
from fetched import fetched_or_skip

from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.io import read_volume
from monai_unet.samples import tumour_demo


@pytest.fixture(scope="module")
def paths():
    return fetched_or_skip(tumour_demo.patient)


@pytest.fixture(scope="module")
def result(paths, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tumour")
    *lines, finished = tumour_demo.run_tumour_demo(folder)
    return lines, finished


def test_the_tumour_is_found_without_a_click(result):
    """The card says 0.795; three clicks without a model get near it."""
    _, finished = result
    assert finished.automatic_dice > 0.75
    assert len(finished.dice) == 1 + tumour_demo.CLICKS
    assert finished.dice[-1] > 0.6


def test_the_mask_lies_on_the_grid_of_the_image_and_has_the_dice_that_was_said(result, paths):
    _, finished = result
    mask, image = nib.load(finished.mask), read_volume(paths["image"])
    assert mask.shape == tuple(image.shape[:0:-1])
    found = np.asarray(read_volume(finished.mask))[0] > 0
    by_hand = np.asarray(read_volume(paths["mask"]))[0] > 0
    dice = 2 * (found & by_hand).sum() / (found.sum() + by_hand.sum())
    assert dice == pytest.approx(finished.automatic_dice, abs=1e-6)


def test_the_table_adds_up_to_the_mask(result):
    _, finished = result
    mask = nib.load(finished.mask)
    ml = np.count_nonzero(mask.dataobj) * np.prod(mask.header.get_zooms()) / 1000
    with finished.measurements.open() as file:
        rows = list(csv.DictReader(file))
    assert sum(float(row["volume_ml"]) for row in rows) == pytest.approx(ml, rel=0.01)
    assert finished.picture.read_bytes().startswith(b"\x89PNG")


def test_the_output_says_whose_image_it_is(result):
    assert "licence is not stated" in result[0][0]


def test_without_the_volume_the_hippocampus_is_shown_and_the_reason_said(tmp_path, monkeypatch, capsys):
    def unreachable():
        raise InputError("pyradiomics-3.0.1.tar.gz could not be fetched.")

    monkeypatch.setattr("monai_unet.samples.patient", unreachable)
    monkeypatch.setattr("monai_unet.samples.run_demo", lambda output: iter(["MNI152 T1 template"]))
    assert main(["demo", "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "could not be fetched" in said
    assert "MNI152" in said
