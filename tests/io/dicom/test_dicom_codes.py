from __future__ import annotations

import pytest

from monai_unet.io.dicom.codes import meaning_of


@pytest.mark.parametrize(
    ("name", "category", "code", "side"),
    [
        # SNOMED CT identifiers as printed in DICOM PS3.16, CID 7150, 7151, 7159 and 244
        ("left kidney", "91723000", "64033007", "7771000"),
        ("kidney_right", "91723000", "64033007", "24028007"),
        ("ParotidL", "91723000", "45289007", "7771000"),
        ("Spleen", "91723000", "78961009", None),
        ("anterior hippocampus", "91723000", "5366008", None),
        ("vertebrae_L1", "91723000", "66794005", None),
        ("Tumour 2", "49755003", "108369006", None),
        ("oedema", "49755003", "79654002", None),
        ("MS lesions", "49755003", "52988006", None),
        ("no such thing", "85756007", "85756007", None),
    ],
)
def test_names_of_data_sets_get_the_codes_of_the_standard(
    name: str, category: str, code: str, side: str | None
) -> None:
    meaning = meaning_of(name)
    assert (meaning.category.value, meaning.type.value) == (category, code)
    assert (meaning.laterality.value if meaning.laterality else None) == side
