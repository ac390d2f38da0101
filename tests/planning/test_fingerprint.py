"""The fingerprint: numbers with known answers, every fault by name and all at once, and going on after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_checks import DATA, needs_data
from labelled_phantom import boxes, picture_of, write_pair, write_set, write_volume_file

from monai_unet.errors import InputError
from monai_unet.generators import drain
from monai_unet.io.datasets import read_labelled_set
from monai_unet.planning import Fingerprint, changes_since, read_fingerprint, take_fingerprint


def taken(root: Path, **options: object) -> Fingerprint:
    return drain(take_fingerprint(read_labelled_set(root), workers=1, **options))  # type: ignore[arg-type]


def test_numbers_of_a_set_with_known_boxes(tmp_path: Path) -> None:
    found = taken(write_set(tmp_path))
    assert (found.labelled, found.anisotropy, found.thickest) == (5, 1.0, {"": 5})
    assert [entry.name for entry in found.classes] == ["one", "two"]
    # a box of 3 × 4 × 5 voxels of 1 mm is 0.06 ml
    assert [entry.volume_ml.median for entry in found.classes if entry.volume_ml] == [0.06, 0.06]
    assert [entry.components.median for entry in found.classes if entry.components] == [1, 1]
    assert [entry.single for entry in found.classes] == [1.0, 1.0]
    # the file's (R, A, S) of 18 × 16 × 12 in the working frame
    assert [spread.median for spread in found.shape] == [12, 16, 18]
    case = found.cases[0]
    assert case.box == ((3, 2, 1), (8, 6, 8))
    assert case.box_mm == (5, 4, 7)
    assert case.values == {1: 60, 2: 60}
    assert case.axes == "RAS"


def test_intensities_are_those_of_numpy_over_what_is_marked(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    pooled = np.concatenate([picture_of(boxes(), seed)[boxes() > 0] for seed in range(5)]).astype(float)
    window = taken(root).channels[0].window
    assert window is not None
    # cases of equal size: pooled voxels have the same mean and spread; percentiles of 600 voxels to a few grey values
    assert window[2:] == pytest.approx((pooled.mean(), pooled.std()), rel=1e-4)
    assert window[:2] == pytest.approx(np.percentile(pooled, (0.5, 99.5)), abs=4)


def test_thick_slices_and_their_axis(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    for n in range(5):
        marked = boxes()
        write_volume_file(root / f"images/a{n}.nii.gz", picture_of(marked, n), (1.5, 1.5, 10))
        write_volume_file(root / f"labels/a{n}.nii.gz", marked, (1.5, 1.5, 10))
    found = taken(root)
    assert found.median_spacing == (10, 1.5, 1.5)
    assert (found.anisotropy, found.thickest) == (pytest.approx(6.667), {"S": 5})


def test_json_gives_the_same_fingerprint(tmp_path: Path) -> None:
    found = taken(write_set(tmp_path / "set"))
    found.save(tmp_path / "fingerprint.json")
    assert read_fingerprint(tmp_path / "fingerprint.json") == found
    (tmp_path / "fingerprint.json").write_text('{"name": "x"}')
    with pytest.raises(InputError, match="no fingerprint"):
        read_fingerprint(tmp_path / "fingerprint.json")


def test_processes_give_what_one_process_gives(tmp_path: Path) -> None:
    labelled = read_labelled_set(write_set(tmp_path))
    assert drain(take_fingerprint(labelled, workers=2)) == drain(take_fingerprint(labelled, workers=1))


def save_label(root: Path, name: str, labels: np.ndarray) -> None:
    write_volume_file(root / f"labels/{name}.nii.gz", labels)


def shifted(root: Path) -> None:
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[0, 3] = 5
    nib.save(nib.Nifti1Image(boxes(), affine), root / "labels/a1.nii.gz")


def of_ct(root: Path) -> None:
    image = picture_of(boxes(), 1)
    image[0] = -1000
    write_volume_file(root / "images/a1.nii.gz", image)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "another shape": (lambda root: save_label(root, "a1", boxes()[:-1]), "a1.nii.gz has 12×16×18 voxels .* 12×16×17"),
    "another place": (shifted, "a1.nii.gz lie up to 5 mm apart"),
    "a value that is no class": (
        lambda root: save_label(root, "a1", boxes(3)),
        "a1.nii.gz holds the value 3, which is",
    ),
    "fractions": (lambda root: save_label(root, "a1", boxes() * np.float32(0.5)), "a1.nii.gz holds fractions"),
    "negative": (lambda root: save_label(root, "a1", -boxes().astype(np.int16)), "a1.nii.gz holds the negative label"),
    "an image for a label": (
        lambda root: save_label(root, "a1", np.arange(boxes().size, dtype=np.uint16).reshape(boxes().shape)),
        "3455 values, so it is an image",
    ),
    "damaged": (lambda root: (root / "images/a1.nii.gz").write_bytes(b"\x1f\x8bnothing"), "a1.nii.gz"),
    "another modality": (of_ct, "a1 .* has values down to -1000 like CT"),
    "the same image twice": (
        lambda root: write_volume_file(root / "images/a1.nii.gz", picture_of(boxes(), 0)),
        "a0 and a1 are the same image",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_refuses_the_set_by_name_and_the_rest_can_go_on(tmp_path: Path, fault: str) -> None:
    root = write_set(tmp_path)
    make, message = FAULTS[fault]
    make(root)
    with pytest.raises(InputError, match=message):
        taken(root)
    found = taken(root, keep_going=True)
    assert list(found.left_out) == ["a1"]
    assert [case.name for case in found.cases] == ["a0", "a2", "a3", "a4"]
    assert "1 cases are left out" in " ".join(found.warnings)


def test_all_faults_come_in_one_sentence(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    save_label(root, "a0", boxes(3))
    save_label(root, "a2", boxes()[:-1])
    with pytest.raises(InputError, match=r"2 faults: .*a0.nii.gz holds the value 3.*; .*a2.nii.gz"):
        taken(root)


def test_whole_numbers_stored_as_float_are_labels(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    save_label(root, "a1", boxes().astype(np.float64))
    assert taken(root).cases[1].values == {1: 60, 2: 60}


def test_the_test_case_is_kept_of_an_image_in_two_lists(tmp_path: Path) -> None:
    write_set(tmp_path)
    copy = write_pair(tmp_path, "t0", seed=2)
    content = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**content, "test": [copy]}))
    with pytest.raises(InputError, match="t0 and a2 are the same image, one in test, the other in training"):
        taken(tmp_path)
    assert list(taken(tmp_path, keep_going=True).left_out) == ["a2"]


def test_a_patient_in_two_lists_is_refused_where_the_data_set_names_patients(tmp_path: Path) -> None:
    write_set(tmp_path)
    extra = write_pair(tmp_path, "t0", seed=9)
    content = json.loads((tmp_path / "dataset.json").read_text())
    for number, entry in enumerate(content["training"]):
        entry["patient"] = f"p{number}"
    content["test"] = [{**extra, "patient": "p3"}]
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="t0 in test and a3 in training are both of patient p3"):
        taken(tmp_path)


def test_a_channel_on_another_grid_is_refused(tmp_path: Path) -> None:
    entries = []
    for n in range(2):
        entry = write_pair(tmp_path, f"a{n}", seed=n)
        second = picture_of(boxes(), 10 + n)[: -1 if n else None]
        write_volume_file(tmp_path / f"images/b{n}.nii.gz", second)
        entries.append({"image": [entry["image"], f"images/b{n}.nii.gz"], "label": entry["label"]})
    (tmp_path / "dataset.json").write_text(json.dumps({"training": entries}))
    with pytest.raises(InputError, match=r"1 fault: .*a1.nii.gz has .* and .*b1.nii.gz"):
        taken(tmp_path)


def test_channels_in_one_4d_file(tmp_path: Path) -> None:
    marked = boxes()
    entries = []
    for n in range(2):
        both = np.stack([picture_of(marked, n), picture_of(marked, 10 + n) - 100], axis=-1)
        write_volume_file(tmp_path / f"images/a{n}.nii.gz", both)
        save_label(tmp_path, f"a{n}", marked)
        entries.append({"image": f"images/a{n}.nii.gz", "label": f"labels/a{n}.nii.gz"})
    content = {"training": entries, "modality": {"0": "T1", "1": "T2"}}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    found = taken(tmp_path)
    low, high = (channel.window for channel in (found.channels[1], found.channels[0]))
    assert low is not None
    assert high is not None
    assert high[2] - low[2] == pytest.approx(100, abs=3)
    (tmp_path / "dataset.json").write_text(json.dumps({**content, "modality": {"0": "T1", "1": "T2", "2": "PD"}}))
    with pytest.raises(InputError, match="must hold the 3 channels"):
        taken(tmp_path)


def test_warnings_name_seldom_classes_gaps_and_nan(tmp_path: Path) -> None:
    labels = {"0": "background", "1": "one", "4": "four", "5": "five"}
    root = write_set(tmp_path, labels=labels)
    for n in range(5):
        marked = np.where(boxes() == 2, 4 if n == 0 else 0, boxes()).astype(np.uint8)
        save_label(root, f"a{n}", marked)
    image = picture_of(boxes(), 3)
    image[0, 0, 0] = np.nan
    write_volume_file(root / "images/a3.nii.gz", image)
    said = " ".join(taken(root).warnings)
    assert "four is marked in 1 of 5 training cases only" in said
    assert "five is marked in no training case" in said
    assert "The label values 1, 4, 5 are not 1 to 3" in said
    assert "NaN or infinite voxels in a3" in said


def test_left_on_the_patients_right_is_said(tmp_path: Path) -> None:
    # class 1 has the lower R index, so it is the patient's left
    root = write_set(tmp_path, labels={"1": "left kidney", "2": "right kidney"})
    found = taken(root)
    assert found.mirror_pairs == ((1, 2),)
    assert "left lies on" not in " ".join(found.warnings)
    save_label(root, "a2", np.array([0, 2, 1], np.uint8)[boxes()])
    assert "What is named left lies on the patient's right in a2" in " ".join(taken(root).warnings)


def test_classes_that_nothing_names_are_the_values_that_occur(tmp_path: Path) -> None:
    root = write_set(tmp_path, labels={})
    save_label(root, "a1", boxes(1))
    found = taken(root)
    assert [(entry.name, entry.values, entry.cases) for entry in found.classes] == [
        ("label 1", (1,), 5),
        ("label 2", (2,), 4),
    ]


def test_regions_and_voxels_to_ignore(tmp_path: Path) -> None:
    labels = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    root = write_set(tmp_path, labels=labels, regions_class_order=[1, 2])
    save_label(root, "a0", boxes(3))
    found = taken(root)
    assert [one.voxels for one in found.cases[0].classes] == [120, 60]
    # what is ignored is not marked
    assert found.cases[0].box == found.cases[1].box
    assert (found.ignore, found.regions, found.region_order) == (3, True, (1, 2))


def test_a_killed_run_reads_only_what_is_missing_or_changed(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    journal = tmp_path / "read.jsonl"
    steps = take_fingerprint(read_labelled_set(root), journal=journal, workers=1)
    for _ in range(3):
        next(steps)
    steps.close()
    with journal.open("a") as file:
        file.write('12345678 {"torn')
    # files that are read again would be refused: their content is gone, their size and time are as before
    for n in range(2):
        path = root / f"images/a{n}.nii.gz"
        state = path.stat()
        path.write_bytes(bytes(state.st_size))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    found = taken(root, journal=journal)
    assert len(found.cases) == 5
    os.utime(root / "images/a0.nii.gz")
    with pytest.raises(InputError, match=r"a0.nii.gz"):
        taken(root, journal=journal)


def test_a_journal_of_other_classes_is_not_gone_on_with(tmp_path: Path) -> None:
    journal = tmp_path / "read.jsonl"
    taken(write_set(tmp_path / "set"), journal=journal)
    content = json.loads((tmp_path / "set/dataset.json").read_text())
    (tmp_path / "set/dataset.json").write_text(json.dumps({**content, "labels": {"1": "a", "2": "b", "3": "c"}}))
    assert len(taken(tmp_path / "set", journal=journal).cases[0].classes) == 3
    journal.write_text("something else\n")
    with pytest.raises(InputError, match="something else than a list of cases"):
        taken(tmp_path / "set", journal=journal)


def test_a_changed_data_set_is_noticed(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    found = taken(root)
    assert changes_since(found, read_labelled_set(root)) == []
    save_label(root, "a1", boxes(1))
    content = json.loads((root / "dataset.json").read_text())
    content["training"] = [*content["training"][1:], write_pair(root, "b0", seed=8)]
    (root / "dataset.json").write_text(json.dumps(content))
    assert changes_since(found, read_labelled_set(root)) == [
        "a0 is no longer listed",
        "b0 is new",
        "the files of a1 changed",
    ]


@needs_data
def test_head_and_neck_ct(tmp_path: Path) -> None:
    found = taken(DATA / "HeadNeckCT")
    assert found.channels[0].hounsfield
    assert found.mirror_pairs == ((4, 3),)
    assert (found.labelled, len(found.cases)) == (50, 86)
    # mostly 3.9 × 3.9 × 2.5 mm
    assert found.median_spacing == pytest.approx((2.5, 3.906, 3.906))
    assert found.thickest == {"": 50}


@needs_data
def test_lung_crops_are_named_ct_and_are_not_hounsfield_units() -> None:
    found = taken(DATA / "LungNodules_LIDC")
    assert not found.channels[0].hounsfield
    assert "named CT, but its values are not Hounsfield units" in " ".join(found.warnings)


@pytest.mark.parametrize("ending", [".png", ".nii.gz"])
def test_two_dimensions(tmp_path: Path, ending: str) -> None:
    for n in range(2):
        marked = boxes()[:, :, 4]
        for kind, array in (("images", picture_of(marked, n).astype(np.int16)), ("labels", marked)):
            path = tmp_path / kind / f"a{n}{ending}"
            if ending == ".png":
                path.parent.mkdir(exist_ok=True)
                sitk.WriteImage(sitk.GetImageFromArray(array.T.astype(np.uint16)), str(path))
            else:
                write_volume_file(path, array)
    found = taken(tmp_path)
    assert [spread.median for spread in found.shape] == [1, 16, 18]
    assert [entry.cases for entry in found.classes] == [2, 2]
    assert found.cases[0].values == {1: 12, 2: 12}
