"""SUV by body weight from headers, by hand, and each thing that may be missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset

from monai_unet.errors import InputError
from monai_unet.io.dicom import suv_factor

HALF_LIFE = 6600.0
"""Seconds, a round number near that of fluorine-18: 1 h 50 min."""


def header() -> Dataset:
    """70 kg, 350 MBq at 08:00:00, scan at 09:50:00, one half-life later."""
    made = Dataset()
    made.Modality, made.Units, made.DecayCorrection = "PT", "BQML", "START"
    made.CorrectedImage = ["DECY", "ATTN", "SCAT"]
    made.PatientWeight = "70"
    made.SeriesDate, made.SeriesTime = "20240131", "095000"
    made.AcquisitionDate, made.AcquisitionTime = "20240131", "095000.00"
    drug = Dataset()
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = "350000000", str(HALF_LIFE)
    drug.RadiopharmaceuticalStartTime = "080000.000000"
    made.RadiopharmaceuticalInformationSequence = [drug]
    return made


def drug(made: Dataset) -> Dataset:
    found: Dataset = made.RadiopharmaceuticalInformationSequence[0]
    return found


def test_factor_by_hand() -> None:
    # 70,000 g / (350e6 Bq / 2)
    assert suv_factor([header()]) == pytest.approx(70_000 / 175e6)
    later = header()
    later.AcquisitionTime = "095500"
    assert suv_factor([header(), later]) == pytest.approx(4e-4)
    administered = header()
    administered.DecayCorrection = "ADMIN"
    assert suv_factor([administered]) == pytest.approx(2e-4)
    is_suv = header()
    is_suv.Units = "GML"
    assert suv_factor([is_suv]) == 1.0
    # an injection on the evening before, with its date
    overnight = header()
    overnight.SeriesDate = overnight.AcquisitionDate = "20240201"
    overnight.SeriesTime = overnight.AcquisitionTime = "000000"
    drug(overnight).RadiopharmaceuticalStartTime = "221000"
    drug(overnight).RadiopharmaceuticalStartDateTime = "20240131221000.00"
    assert suv_factor([overnight]) == pytest.approx(4e-4)


def change(**values: Any) -> Callable[[Dataset], None]:
    def changed(made: Dataset) -> None:
        for name, value in values.items():
            setattr(made, name, value)

    return changed


def in_drug(**values: Any) -> Callable[[Dataset], None]:
    return lambda made: change(**values)(drug(made))


def two_drugs(made: Dataset) -> None:
    made.RadiopharmaceuticalInformationSequence = [Dataset(), Dataset()]


@pytest.mark.parametrize(
    ("break_it", "word"),
    [
        (change(Modality="CT"), "not PET"),
        (change(Units="CNTS"), "CNTS"),
        (change(Units=""), "not stated"),
        (change(CorrectedImage=["ATTN"]), "decay"),
        (change(CorrectedImage="DECY"), "attenuation"),
        (change(DecayCorrection="NONE"), "NONE"),
        (change(PatientWeight=None), "weight"),
        (change(PatientWeight="0"), "weight"),
        (change(PatientWeight="70000"), "70000 kg"),
        (in_drug(RadionuclideTotalDose=None), "dose"),
        (in_drug(RadionuclideTotalDose="-1"), "dose"),
        (in_drug(RadionuclideHalfLife=None), "half-life"),
        (in_drug(RadiopharmaceuticalStartTime=None), "time of the injection"),
        (in_drug(RadiopharmaceuticalStartTime="100000"), "after that of the scan"),
        (in_drug(RadionuclideHalfLife="60"), "ten half-lives"),
        (in_drug(RadiopharmaceuticalStartDateTime="20240131070000"), "two different times"),
        (in_drug(RadiopharmaceuticalStartDateTime="20240131080000+0100"), "time zone"),
        (change(SeriesTime="110000"), "reconstruction"),
        (change(SeriesDate=""), "not stated"),
        (change(RadiopharmaceuticalInformationSequence=[]), "radiopharmaceutical"),
        (two_drugs, "more than one"),
        (change(Units="GML", SUVType="LBM"), "LBM"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_guessed(break_it: Callable[[Dataset], None], word: str) -> None:
    made = header()
    break_it(made)
    with pytest.raises(InputError, match="No SUV") as caught:
        suv_factor([made])
    assert word in str(caught.value)


def test_images_of_one_series_must_agree() -> None:
    other = header()
    other.PatientWeight = "80"
    with pytest.raises(InputError, match="differ"):
        suv_factor([header(), other])
    with pytest.raises(InputError, match="no image"):
        suv_factor([])
