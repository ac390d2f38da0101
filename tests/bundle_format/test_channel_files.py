"""Which file becomes which channel, and what is said when it cannot be told."""

from pathlib import Path

import pytest

from monai_unet.bundle_format.channel_files import named_files, ordered_files
from monai_unet.errors import InputError
from monai_unet.io.datasets.channel import Channel

BRAIN = [
    Channel("FLAIR", ("flair", "t2f"), optional=True),
    Channel("T1", ("t1",), optional=True),
    Channel("T1c", ("t1c", "t1ce", "t1 gd"), optional=True),
]
NEEDED = [Channel("FLAIR", ("flair",)), Channel("T1", ("t1",), optional=True)]
BOTH = [Channel("CT", ("ct",)), Channel("PET", ("pet",))]


def test_files_by_name_and_by_synonym_in_any_case():
    files = named_files({"t1ce": "b.nii", "Flair": "a.nii"}, BRAIN, bundle="brain")
    assert files == [Path("a.nii"), None, Path("b.nii")]


def test_files_in_any_order_are_told_by_their_names():
    files = ordered_files([Path("x_t1ce.nii.gz"), Path("x_flair.nii.gz")], BRAIN, bundle="brain")
    assert files == [Path("x_flair.nii.gz"), None, Path("x_t1ce.nii.gz")]


def test_all_files_without_names_are_taken_in_order():
    paths = [Path("a.nii"), Path("b.nii"), Path("c.nii")]
    assert ordered_files(paths, BRAIN, bundle="brain") == paths
    assert ordered_files(paths[:2], BOTH, bundle="pet") == paths[:2]


@pytest.mark.parametrize(
    ("given", "channels", "words"),
    [
        ({"DWI": "a.nii"}, BRAIN, "'brain' has no channel 'DWI'; it has FLAIR, T1, T1c"),
        ({"flair": "a.nii", "FLAIR": "b.nii"}, BRAIN, "a.nii and b.nii were both given as FLAIR"),
        ({"t1": "a.nii"}, NEEDED, "'brain' cannot do without FLAIR"),
        ({"flair": None}, BRAIN, "needs at least one of FLAIR, T1, T1c"),
    ],
)
def test_named_files_that_cannot_be_used(given, channels, words):
    with pytest.raises(InputError, match=words):
        named_files(given, channels, bundle="brain")


@pytest.mark.parametrize(
    ("paths", "channels", "words"),
    [
        (["scan.nii"], BRAIN, "not clear which of FLAIR, T1, T1c scan.nii is .its name does not say.*--channel FLAIR="),
        (["a_t1.nii", "b_t1.nii"], BRAIN, "a_t1.nii is T1 too"),
        (["a.nii"], BOTH, "needs 2 images, in this order: CT, PET; 1 was given"),
    ],
)
def test_unnamed_files_that_cannot_be_used(paths, channels, words):
    with pytest.raises(InputError, match=words):
        ordered_files([Path(path) for path in paths], channels, bundle="brain")
