"""Each label of each case is measured as an object of its own; what cannot be is named, and the rest goes on."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from editing_cases import CubeAnswerer

from monai_unet.errors import InputError
from monai_unet.evaluation.clicks import ClickSettings, MeasuredObject, chosen_pictures, measure_cases
from monai_unet.evaluation.clicks.benchmark import Curve
from monai_unet.evaluation.clicks.cases import CaseFiles
from monai_unet.evaluation.clicks.report import CaseCurve
from monai_unet.evaluation.pairs import Refusal

AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Voxels of 1 mm, so that one voxel alone is the deepest of a cube."""


def saved(path: Path, array: np.ndarray) -> str:
    nib.save(nib.Nifti1Image(array, AFFINE), path)
    return str(path)


def test_every_label_of_every_case_is_measured_or_named(tmp_path: Path) -> None:
    image = saved(tmp_path / "image.nii.gz", np.ones((20, 20, 9), np.float32))
    labels = np.zeros((20, 20, 9), np.uint8)
    labels[3:8, 3:8, 3:8], labels[12:15, 12:15, 3:6] = 1, 2
    both, empty = saved(tmp_path / "both.nii.gz", labels), saved(tmp_path / "empty.nii.gz", labels * 0)
    files = [
        CaseFiles("a", image, both, "", {1: "tumour"}),
        CaseFiles("b", image, empty, "", {}),
        CaseFiles("c", image, str(tmp_path / "missing.nii.gz"), "", {}),
    ]
    found = list(measure_cases(files, CubeAnswerer(), ClickSettings(clicks=1)))
    measured = [one for one in found if isinstance(one, MeasuredObject)]
    assert [one.caption for one in measured] == ["a, tumour", "a, label 2"]
    assert measured[0].dice == 1  # the cube of five voxels around the click is the object
    assert [one.curve.volume_ml for one in measured] == pytest.approx([0.125, 0.027])
    assert all(one.picture.startswith(b"\x89PNG") for one in measured)
    refused = [(one.case, one.reason) for one in found if isinstance(one, Refusal)]
    assert [case for case, _ in refused] == ["b", "c"]
    assert "nothing to click at" in refused[0][1]


def test_a_label_that_a_case_lacks_is_named(tmp_path: Path) -> None:
    image = saved(tmp_path / "image.nii.gz", np.ones((20, 20, 9), np.float32))
    files = [CaseFiles("a", image, image, "", {})]
    found = list(measure_cases(files, CubeAnswerer(), ClickSettings(clicks=1), [7]))
    assert found == [
        Refusal("a", "The reference holds no label 7, so there is nothing to click at; choose another case or label.")
    ]


@pytest.mark.parametrize("bad", [{"clicks": 0}, {"tolerance_mm": -1.0}, {"tolerance_mm": float("nan")}])
def test_settings_without_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        ClickSettings(**bad)  # type: ignore[arg-type]


def test_the_report_shows_the_worst_and_the_median() -> None:
    measured = [
        MeasuredObject(CaseCurve(name, "s", 1.0, Curve(dice=[0.0, dice])), name.encode())
        for name, dice in zip("abcdefg", (0.9, 0.1, 0.8, 0.3, 0.7, 0.2, 0.6), strict=True)
    ]
    assert list(chosen_pictures(measured).values()) == [b"b", b"f", b"d", b"g"]
    assert list(chosen_pictures(measured[:1]).values()) == [b"a"]
    assert chosen_pictures([]) == {}
