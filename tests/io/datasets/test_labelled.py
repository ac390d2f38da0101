"""Labelled data sets: each layout as others write it, and every fault named, all at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_checks import DATA, needs_data
from labelled_phantom import touch_all

from monai_unet.errors import InputError
from monai_unet.io import read_volume
from monai_unet.io.datasets import LabelClass, LabelledSet, read_labelled_set, structure_table


def listed(root: Path, **content: object) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return root


def names(found: LabelledSet, part: str = "training") -> list[str]:
    return [case.name for case in found.part(part)]


def test_decathlon_as_published_has_tests_without_labels_and_no_validation(tmp_path: Path) -> None:
    files = ("imagesTr/la_003.nii.gz", "imagesTr/la_004.nii.gz", "labelsTr/la_003.nii.gz", "labelsTr/la_004.nii.gz")
    touch_all(tmp_path, *files, "imagesTs/la_001.nii.gz")
    cases = [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in ("la_003", "la_004")]
    listed(
        tmp_path,
        name="LeftAtrium",
        modality={"0": "MRI"},
        labels={"0": "background", "1": "left atrium"},
        numTraining=2,
        training=cases,
        test=["./imagesTs/la_001.nii.gz"],
    )
    found = read_labelled_set(tmp_path)
    assert (found.name, found.layout, found.channels) == ("LeftAtrium", "Decathlon", ("MRI",))
    assert found.classes == (LabelClass("left atrium", (1,)),)
    assert names(found) == ["la_003", "la_004"]
    assert [case.group for case in found.cases] == ["la_003", "la_004", "la_001"]
    [test] = found.part("test")
    assert test.label == ""
    assert Path(test.images[0]).is_absolute()


def test_one_4d_file_holds_the_channels_that_modality_names(tmp_path: Path) -> None:
    touch_all(tmp_path, "i/BRATS_001.nii.gz", "l/BRATS_001.nii.gz")
    names_of = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
    entry = {"image": "i/BRATS_001.nii.gz", "label": "l/BRATS_001.nii.gz"}
    found = read_labelled_set(listed(tmp_path, modality=names_of, training=[entry]))
    assert found.channels == ("FLAIR", "T1w", "t1gd", "T2w")
    assert len(found.cases[0].images) == 1


def test_sequences_under_their_own_keys_are_channels_and_masks_are_not(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        touch_all(tmp_path / patient, "t1.nii", "flair.nii", "label.nii", "brainmask.nii")
    entries = [{k: f"{p}/{k}.nii" for k in ("t1", "flair", "label", "brainmask")} for p in ("p1", "p2")]
    found = read_labelled_set(listed(tmp_path, training=entries))
    assert found.channels == ("flair", "t1")
    assert [case.group for case in found.cases] == ["p1", "p2"]
    assert read_labelled_set(tmp_path, image="t1").channels == ("t1",)


@pytest.mark.parametrize("labels", [{"0": "background", "2": "cord"}, {"background": 0, "cord": 2}])
def test_label_tables_are_read_either_way_round(tmp_path: Path, labels: dict[str, object]) -> None:
    touch_all(tmp_path, "a.nii", "b.nii")
    found = read_labelled_set(listed(tmp_path, labels=labels, training=[{"image": "a.nii", "label": "b.nii"}]))
    assert found.classes == (LabelClass("cord", (2,)),)


def nnunet(root: Path) -> Path:
    for case in ("c1", "c2"):
        touch_all(root, f"imagesTr/{case}_0000.nii.gz", f"imagesTr/{case}_0001.nii.gz", f"labelsTr/{case}.nii.gz")
    touch_all(root, "imagesTs/c3_0000.nii.gz", "imagesTs/c3_0001.nii.gz")
    regions = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    return listed(root, channel_names={"0": "T1", "1": "FLAIR"}, labels=regions, regions_class_order=[1, 2])


def test_nnunet_raw_folder_with_regions_and_ignore(tmp_path: Path) -> None:
    found = read_labelled_set(nnunet(tmp_path))
    assert (found.layout, found.channels, found.ignore) == ("nnU-Net", ("T1", "FLAIR"), 3)
    assert found.regions
    assert found.region_order == (1, 2)
    assert found.classes == (LabelClass("whole", (1, 2)), LabelClass("core", (2,)))
    assert [Path(path).name for path in found.cases[0].images] == ["c1_0000.nii.gz", "c1_0001.nii.gz"]
    assert names(found, "test") == ["c3"]


def test_nnunet_version_1_lists_images_without_their_channel_number(tmp_path: Path) -> None:
    touch_all(tmp_path, "imagesTr/x_0000.nii.gz", "labelsTr/x.nii.gz")
    entry = {"image": "./imagesTr/x.nii.gz", "label": "./labelsTr/x.nii.gz"}
    found = read_labelled_set(listed(tmp_path, modality={"0": "CT"}, labels={"1": "a"}, training=[entry]))
    assert (found.layout, found.channels, names(found)) == ("nnU-Net", ("CT",), ["x"])


def test_regions_without_their_order_and_lost_channels_are_refused_together(tmp_path: Path) -> None:
    nnunet(tmp_path)
    (tmp_path / "imagesTr/c1_0000.nii.gz").unlink()
    (tmp_path / "labelsTr/c2.nii.gz").unlink()
    content = json.loads((tmp_path / "dataset.json").read_text())
    del content["regions_class_order"]
    listed(tmp_path, **content)
    with pytest.raises(InputError, match=r"regions_class_order.*holds no c1_0000.*no label named c2"):
        read_labelled_set(tmp_path)


def test_splits_final_numbers_the_folds(tmp_path: Path) -> None:
    nnunet(tmp_path)
    splits = [{"train": ["c2"], "val": ["c1"]}, {"train": ["c1"], "val": ["c2"]}]
    (tmp_path / "splits_final.json").write_text(json.dumps(splits))
    assert [case.fold for case in read_labelled_set(tmp_path).part("training")] == [0, 1]
    (tmp_path / "splits_final.json").write_text(json.dumps([{"train": ["c2"], "val": ["c9"]}]))
    with pytest.raises(InputError, match="names c9"):
        read_labelled_set(tmp_path)


def test_a_table_gives_channels_patients_sites_parts_and_folds(tmp_path: Path) -> None:
    touch_all(tmp_path, *(f"{n}{k}.nii" for n in "abc" for k in (1, 2, "l")))
    (tmp_path / "cases.csv").write_text(
        "case;image_T1;image_T2;label;patient;site;split;fold\n"
        "a;a1.nii;a2.nii;al.nii;p1;Ulm;train;0\nb;b1.nii;b2.nii;bl.nii;p1;Ulm;train;1\nc;c1.nii;c2.nii;;p2;Bonn;test;\n"
    )
    found = read_labelled_set(tmp_path / "cases.csv")
    assert (found.layout, found.channels, found.patients_stated) == ("CSV", ("T1", "T2"), True)
    assert [(case.group, case.site, case.part, case.fold) for case in found.cases] == [
        ("p1", "Ulm", "training", 0),
        ("p1", "Ulm", "training", 1),
        ("p2", "Bonn", "test", None),
    ]
    assert read_labelled_set(tmp_path).channels == ("T1", "T2")


def test_every_fault_of_a_table_is_in_one_sentence(tmp_path: Path) -> None:
    touch_all(tmp_path, "a.nii", "al.nii")
    (tmp_path / "cases.csv").write_text("image,label,part\na.nii,,train\ngone.nii,al.nii,train\na.nii,al.nii,holiday\n")
    with pytest.raises(InputError, match=r"3 faults.*line 2 .*names no label.*gone.nii.*line 4 .*holiday"):
        read_labelled_set(tmp_path / "cases.csv")


def test_folders_are_matched_by_name_and_what_is_alone_is_named(tmp_path: Path) -> None:
    touch_all(tmp_path, "images/a.nii.gz", "images/b.nii.gz", "labels/a.nii.gz", "labels/c.nii.gz")
    with pytest.raises(InputError, match=r"2 faults.*b.nii.gz has no label.*c.nii.gz has no image"):
        read_labelled_set(tmp_path)
    touch_all(tmp_path, "images/c.nii.gz", "labels/b.nii.gz")
    found = read_labelled_set(tmp_path)
    assert (names(found), found.channels, found.classes) == (["a", "b", "c"], ("image",), ())
    assert "each case is taken as a patient" in found.notes[0]


def test_a_dataset_json_without_lists_names_classes_of_folders(tmp_path: Path) -> None:
    touch_all(tmp_path, "images/a.nii.gz", "labels/a.nii.gz")
    listed(tmp_path, labels={"background": 0, "liver": 1}, channel_names={"0": "CT"})
    found = read_labelled_set(tmp_path)
    assert (found.channels, found.classes) == (("CT",), (LabelClass("liver", (1,)),))


def test_one_file_in_two_lists_or_twice_in_one_is_refused(tmp_path: Path) -> None:
    touch_all(tmp_path, "a.nii", "al.nii", "b.nii", "bl.nii")
    case = {"image": "a.nii", "label": "al.nii"}
    with pytest.raises(InputError, match=r"a.nii is listed in training and test"):
        read_labelled_set(listed(tmp_path, training=[case], test=[case]))
    with pytest.raises(InputError, match=r"a.nii is listed 2 times in the training list"):
        read_labelled_set(listed(tmp_path, training=[case, {"image": "a.nii", "label": "bl.nii"}]))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"image": "a.nii"}], "a.nii, under 'training' .* has no label"),
        ([{"label": "al.nii"}], "names no image"),
        ([{"image": "gone.nii", "label": "al.nii"}], "gone.nii, listed under 'training' .* does not exist"),
        (
            [
                {"image": ["a.nii", "b.nii"], "label": "al.nii"},
                {"image": ["d.nii", "e.nii", "f.nii"], "label": "cl.nii"},
            ],
            "a has 2 images",
        ),
    ],
)
def test_entries_that_cannot_be_used_are_named(tmp_path: Path, entries: list[object], message: str) -> None:
    touch_all(tmp_path, *(f"{n}.nii" for n in ("a", "b", "c", "d", "e", "f", "al", "bl", "cl")))
    with pytest.raises(InputError, match=message):
        read_labelled_set(listed(tmp_path, training=entries))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"one": 1, "two": 1}, "gives the value 1 to one and two"),
        ({"one": "x"}, "must give each name its value"),
        ({"whole": [1, 2], "core": 2}, "'regions_class_order' must give the 2 values"),
        ({"one": -1}, "values are 0 or higher"),
    ],
)
def test_label_tables_that_contradict_themselves_are_refused(
    tmp_path: Path, labels: dict[str, object], message: str
) -> None:
    touch_all(tmp_path, "a.nii", "b.nii")
    with pytest.raises(InputError, match=message):
        read_labelled_set(listed(tmp_path, labels=labels, training=[{"image": "a.nii", "label": "b.nii"}]))


def test_an_unknown_layout_names_those_there_are(tmp_path: Path) -> None:
    touch_all(tmp_path, "notes.txt")
    with pytest.raises(InputError, match=r"in no layout that is read; give a dataset.json .* BIDS"):
        read_labelled_set(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_labelled_set(tmp_path / "gone")


def test_patients_are_told_from_names_where_two_cases_share_them(tmp_path: Path) -> None:
    cases = ("PGBM-006_1", "PGBM-006_2", "PGBM-010_1")
    touch_all(tmp_path, *(f"{kind}/{case}.nii.gz" for kind in ("images", "labels") for case in cases))
    found = read_labelled_set(tmp_path)
    assert [case.group for case in found.cases] == ["PGBM-006", "PGBM-006", "PGBM-010"]
    assert "PGBM-006_1 and PGBM-006_2 are both PGBM-006" in found.notes[0]


def test_a_name_that_all_share_is_no_patient(tmp_path: Path) -> None:
    cases = [f"BraTS2021_{n:05d}" for n in range(4)]
    touch_all(tmp_path, *(f"{kind}/{case}.nii.gz" for kind in ("images", "labels") for case in cases))
    assert [case.group for case in read_labelled_set(tmp_path).cases] == cases


@needs_data
@pytest.mark.parametrize(
    ("folder", "training", "channels", "groups", "known"),
    [
        ("Task04_Hippocampus", 150, ("MRI",), 220, True),
        ("HeadNeckCT", 50, ("CT",), 86, True),
        ("SoftTissueSarcoma/dataset_ct.json", 4, ("CT",), 11, True),
        ("BrainTumourProgression", 12, ("MRI",), 9, True),
        ("MultipleSclerosis", 3, ("flair", "t1", "t1c", "t2"), 3, True),
        # the patients of its training list are not named
        ("BrainTumourT1c_Cheng", 397, ("MRI",), None, False),
    ],
)
def test_real_sets(folder: str, training: int, channels: tuple[str, ...], groups: int | None, known: bool) -> None:
    found = read_labelled_set(DATA / folder)
    assert len(found.part("training")) == training
    assert found.channels == channels
    assert found.patients_known is known
    assert groups is None or len({case.group for case in found.cases}) == groups


def bids(root: Path) -> Path:
    for subject, session in (("01", "a"), ("01", "b"), ("02", "a")):
        where, name = f"sub-{subject}/ses-{session}/anat", f"sub-{subject}_ses-{session}"
        touch_all(root, f"{where}/{name}_T1w.nii.gz", f"{where}/{name}_FLAIR.nii.gz")
        touch_all(root, f"derivatives/manual/{where}/{name}_desc-lesion_dseg.nii.gz")
    touch_all(root, "sub-03/ses-a/anat/sub-03_ses-a_T1w.nii.gz", "dataset_description.json")
    (root / "derivatives/manual/desc-lesion_dseg.tsv").write_text("index\tname\n0\tbackground\n1\tlesion\n2\toedema\n")
    (root / "participants.tsv").write_text("participant_id\tsite\nsub-01\tUlm\nsub-02\tBonn\n")
    return root


@pytest.mark.parametrize("below", ["", "derivatives/manual"])
def test_bids_derivatives_with_sessions(tmp_path: Path, below: str) -> None:
    found = read_labelled_set(bids(tmp_path) / below)
    assert (found.layout, found.channels) == ("BIDS", ("FLAIR", "T1w"))
    assert [(case.name, case.group, case.site) for case in found.cases] == [
        ("sub-01_ses-a", "sub-01", "Ulm"),
        ("sub-01_ses-b", "sub-01", "Ulm"),
        ("sub-02_ses-a", "sub-02", "Bonn"),
    ]
    assert Path(found.cases[1].images[1]) == tmp_path / "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz"
    assert [entry.name for entry in found.classes] == ["lesion", "oedema"]
    assert any("1 subjects have no mask" in note for note in found.notes)


def test_bids_masks_of_several_kinds_are_chosen_by_name(tmp_path: Path) -> None:
    bids(tmp_path)
    mask = "derivatives/manual/sub-01/ses-a/anat/sub-01_ses-a_label-brain_mask.nii.gz"
    touch_all(tmp_path, mask)
    with pytest.raises(InputError, match=r"desc-lesion_dseg \(3\), label-brain_mask \(1\); name one"):
        read_labelled_set(tmp_path)
    brain = read_labelled_set(tmp_path, label="brain", image="T1w")
    assert (brain.channels, brain.classes) == (("T1w",), (LabelClass("brain", (1,)),))


def test_bids_mask_without_image_is_a_fault(tmp_path: Path) -> None:
    bids(tmp_path)
    (tmp_path / "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz").unlink()
    with pytest.raises(InputError, match=r"sub-02_ses-a_desc-lesion_dseg.nii.gz has no image T1w"):
        read_labelled_set(tmp_path, image=["T1w", "FLAIR"])


def test_pictures_beside_volumes_are_previews(tmp_path: Path) -> None:
    touch_all(tmp_path, "images/a.png", "labels/a.png")
    assert names(read_labelled_set(tmp_path)) == ["a"]
    touch_all(tmp_path, "images/b.nii.gz", "labels/b.nii.gz")
    assert names(read_labelled_set(tmp_path)) == ["b"]


@needs_data
def test_contours_become_the_masks_that_others_drew_of_them(tmp_path: Path) -> None:
    """`SoftTissueSarcoma` holds the masks of the same patient's contours, drawn by other software."""
    tree = DATA / "dicom/rtstruct_sarcoma"
    with pytest.raises(InputError, match="name a folder for them"):
        read_labelled_set(tree)
    with pytest.raises(InputError, match=r"contours on CT \(1\), MR \(1\), PT \(1\); name one"):
        read_labelled_set(tree, masks=tmp_path)
    with pytest.raises(InputError, match="none of the structures that the table names, but GTV_Mass_MR_T1"):
        read_labelled_set(tree, masks=tmp_path, image="MR", structures={"tumour": "GTV"})
    found = read_labelled_set(tree, masks=tmp_path, image="MR", structures={"tumour": ["GTV", "gtv_mass_mr_t1"]})
    [case] = found.cases
    assert (found.channels, found.classes) == (("MR",), (LabelClass("tumour", (1,)),))
    assert (case.name, case.group) == ("STS_002", "STS_002")
    drawn, known = read_volume(case.label), read_volume(DATA / "SoftTissueSarcoma/STS_002/t1_label.nii.gz")
    assert drawn.shape == known.shape
    assert np.array_equal(drawn.numpy(), known.numpy())
    # a mask that is there already is not written anew, so that a plan does not see a changed data set
    before = Path(case.label).stat().st_mtime_ns
    read_labelled_set(tree, masks=tmp_path, image="MR", structures={"tumour": ["gtv_mass_mr_t1"]})
    assert Path(case.label).stat().st_mtime_ns == before


def test_structures_from_csv_and_yaml(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("structure,class\nGTV,tumour\nLt Parotid,left parotid\n")
    (tmp_path / "t.yaml").write_text("tumour: GTV\nleft parotid: [Lt Parotid]\n")
    wanted = {"gtv": "tumour", "lt parotid": "left parotid"}
    assert structure_table(tmp_path / "t.csv") == structure_table(tmp_path / "t.yaml") == wanted
    with pytest.raises(InputError, match="GTV is named for two classes, tumour and node"):
        structure_table({"tumour": "gtv", "node": "GTV"})
    (tmp_path / "bad.csv").write_text("GTV\n")
    with pytest.raises(InputError, match="each line needs a structure and its class"):
        structure_table(tmp_path / "bad.csv")
