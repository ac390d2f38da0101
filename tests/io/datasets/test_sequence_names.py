"""Which file is which sequence, by the names that scanners and datasets use; the layouts of BraTS and the Decathlon."""

import numpy as np
import pytest
from brain_phantom import brats_layout, decathlon_layout, own_layout, write_sequences

from monai_unet.bundle_format.catalogue import find_bundle
from monai_unet.errors import InputError
from monai_unet.io import find_sequence_cases, match_sequence, read_volume, sequence_cases
from monai_unet.io.datasets.channels import read_channels
from monai_unet.transforms.brats import convert_labels

CHANNELS = find_bundle("brain_tumor_mri").description.channels


@pytest.mark.parametrize(
    ("text", "name"),
    [
        # as scanners and people name series
        ("AX FLAIR", "FLAIR"),
        ("t2_tirm_tra_dark-fluid", "FLAIR"),
        ("Sag T2 SPACE FLAIR", "FLAIR"),
        ("t1_mprage_sag", "T1"),
        ("AX T1 PRE", "T1"),
        ("AX T1 POST GD", "T1c"),
        ("t1_mprage_tra_post", "T1c"),
        ("t1_mpr_km", "T1c"),
        ("AX T2 TSE", "T2"),
        # as BraTS, the Decathlon and nnU-Net name files
        ("BraTS20_Training_001_t1ce", "T1c"),
        ("BraTS-GLI-00005-000-t1n", "T1"),
        ("BraTS-GLI-00005-000-t2f", "FLAIR"),
        ("BraTS-GLI-00005-000-t2w", "T2"),
        ("t1gd", "T1c"),
        ("T1w", "T1"),
        ("DWI b1000", None),
        ("0002_T1", "T1"),
        ("AX T2 POST", "T2"),
        ("AX T2 FLAIR POST GD", "FLAIR"),
        ("localizer", None),
        ("", None),
    ],
)
def test_names_of_sequences(text, name):
    assert match_sequence(text, CHANNELS) == name


def _labels(case):
    return convert_labels(np.asarray(read_volume(case["label"])), case["convention"])


@pytest.mark.parametrize("layout", ["own", "decathlon", "brats2020", "brats2023"])
def test_every_layout_gives_the_same_case(tmp_path, layout):
    """The phantom of one seed: FLAIR of oedema 150, T1c of enhancing tumour 200, whatever the layout."""
    make = {
        "own": own_layout,
        "decathlon": decathlon_layout,
        "brats2020": brats_layout,
        "brats2023": lambda root: brats_layout(root, year=2023),
    }[layout]
    cases = sequence_cases(make(tmp_path), "training", CHANNELS)
    case = cases[0]
    image, labels = read_channels(case["image"]).numpy(), _labels(case)[0]
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    for channel, value, level in ((0, 2, 150), (1, 2, 70), (2, 3, 200), (3, 1, 180)):
        assert image[channel][labels == value].mean() == pytest.approx(level, abs=3)


@pytest.mark.parametrize("make", [decathlon_layout, brats_layout])
def test_without_lists_a_case_is_in_one_list_and_always_in_the_same(tmp_path, make):
    root = make(tmp_path, count=40)
    lists = {
        key: {c["name"] for c in sequence_cases(root, key, CHANNELS)} for key in ("training", "validation", "test")
    }
    assert sum(len(names) for names in lists.values()) == 40
    assert len(set.union(*lists.values())) == 40
    assert len(lists["training"]) > 20
    again = {c["name"] for c in sequence_cases(root, "validation", CHANNELS)}
    assert again == lists["validation"]


def test_a_case_may_lack_sequences_and_some_can_be_left_out(tmp_path):
    root = own_layout(tmp_path)
    last = sequence_cases(root, "test", CHANNELS)[-1]
    assert [file is not None for file in last["image"]] == [True, False, True, False]
    flair = sequence_cases(root, "test", CHANNELS, use=["FLAIR"])
    assert all([file is not None for file in case["image"]] == [True, False, False, False] for case in flair)
    only_t2 = sequence_cases(root, "test", CHANNELS, use=["T2"])
    assert len(only_t2) == 1


def test_what_is_wrong_with_a_dataset_is_said(tmp_path):
    with pytest.raises(InputError, match="there is no sequence 'DWI'; this bundle has FLAIR, T1, T1c, T2"):
        sequence_cases(own_layout(tmp_path / "own"), "test", CHANNELS, use=["DWI"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"neither a dataset.json nor folders of BraTS"):
        sequence_cases(tmp_path / "empty", "training", CHANNELS)
    root = own_layout(tmp_path / "gone")
    (root / "case_0" / "t1.nii.gz").unlink()
    with pytest.raises(InputError, match=r"t1.nii.gz, named in .*dataset.json, does not exist"):
        sequence_cases(root, "training", CHANNELS)


def test_a_folder_of_files_is_grouped_by_what_stands_beside_the_sequence(tmp_path):
    for patient in ("anna", "bert"):
        write_sequences(tmp_path, names={s: f"{patient}_{s.upper()}" for s in ("flair", "t1", "t1c", "t2")})
    (tmp_path / "bert_T1.nii.gz").unlink()
    cases = {case["name"]: case["image"] for case in find_sequence_cases(tmp_path, CHANNELS)}
    assert set(cases) == {"anna", "bert"}
    assert [file is not None for file in cases["anna"]] == [True] * 4
    assert [file is not None for file in cases["bert"]] == [True, False, True, True]


def test_channels_numbered_as_for_nnunet(tmp_path):
    write_sequences(tmp_path, names={"flair": "x_0000", "t1": "x_0001", "t1c": "x_0002", "t2": "x_0003"})
    (tmp_path / "x_0001.nii.gz").unlink()
    (case,) = find_sequence_cases(tmp_path, CHANNELS)
    assert case["name"] == "x"
    assert [file and file[-11:-7] for file in case["image"]] == ["0000", None, "0002", "0003"]


def test_files_that_do_not_say_what_they_are_are_refused_with_the_way_out(tmp_path):
    write_sequences(tmp_path, names={"flair": "a", "t1": "b", "t1c": "c", "t2": "d"})
    with pytest.raises(InputError, match="--channel FLAIR=FILE"):
        find_sequence_cases(tmp_path, CHANNELS)
