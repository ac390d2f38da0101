"""Which files of an evaluation are cases: as every other command says, and nothing is passed over in silence."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_checks import ALGORITHM
from dicom_phantom import Phantom, write_phantom
from pydicom.uid import generate_uid
from synthetic_dicom import write_series

from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.evaluation import read_label_map
from monai_unet.evaluation.pairs import pair_csv, pair_dataset, pair_folders
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io import LoadVolumed, dataset_cases, find_results, read_volume, write_label_map
from monai_unet.io.dicom import write_seg
from monai_unet.io.results import Segment

SHAPE = (21, 17, 7)


def seg(phantom: Phantom, path: Path, *, columns: slice = slice(4, 14)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.zeros(SHAPE, np.uint8)
    labels[columns, 3:12, 2:5] = 1
    working, _ = to_working_frame(labels, phantom.grid)
    return write_seg(working, path, source=phantom, segments=[Segment(1, "Tumour")], algorithm=ALGORITHM)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two patients: images, a folder per case with its SEG, and a file without suffix."""
    for case, seed in (("anna", 1), ("bert", 2)):
        phantom = write_phantom(tmp_path / "images" / case / "ct", shape=SHAPE, seed=seed)
        seg(phantom, tmp_path / "references" / case / "mask.dcm")
        seg(phantom, tmp_path / "predictions" / (f"{case}.dcm" if case == "anna" else case))
    return tmp_path


def test_a_result_is_called_as_its_folder_where_it_is_alone_in_it(study: Path) -> None:
    pairing = pair_folders(study / "predictions", study / "references", images=study / "images")
    assert [pair.case for pair in pairing.pairs] == ["anna", "bert"]
    assert not pairing.refusals
    assert [Path(pair.images[0]).name for pair in pairing.pairs] == ["anna", "bert"]
    words = ["--predictions", "predictions", "--references", "references", "--images", "images", "--output", "out"]
    paths = [word if word.startswith("--") else str(study / word) for word in words]
    assert main(["evaluate", *paths, "--workers", "1"]) == 0


def test_what_holds_no_label_map_is_named(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_phantom(study / "references" / "lost", shape=SHAPE, seed=3)
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.eye(4)), study / "references" / "anna" / "deep.nii")
    with caplog.at_level(logging.WARNING):
        found = find_results(study / "references")
    assert [case["name"] for case in found] == ["anna", "bert"]
    assert f"{study / 'references' / 'lost'} was passed over: it holds CT and no SEG or RTSTRUCT" in caplog.text
    assert f"{study / 'references' / 'anna'} was passed over: its 1 volume files" in caplog.text
    with pytest.raises(InputError, match="it holds CT and no SEG"):
        find_results(study / "images")


def test_images_of_an_evaluation_are_found_as_cases_are(tmp_path: Path) -> None:
    """One series in two folders is one image; two series in crossing folders are told apart by their UID."""
    uid, other = generate_uid(), generate_uid()
    voxels = np.random.default_rng(0).integers(0, 1000, (6, 8, 9)).astype(np.int16)
    positions = [(0, 0, 2.0 * k) for k in range(6)]
    for name, part in (("x", slice(0, 3)), ("y", slice(3, 6))):
        names = [f"{name}{k}.dcm" for k in range(3)]
        write_series(tmp_path / "images" / "case" / name, voxels[part], positions[part], names=names, series_uid=uid)
    single = tmp_path / "images" / "z"
    write_series(single, voxels, positions, series_uid=other)
    for folder in ("p", "r"):
        (tmp_path / folder).mkdir()
        for case in ("case", "z"):
            write_label_map(voxels > 500, tmp_path / folder / f"{case}.nii.gz", like=read_volume(single).meta)
    pairing = pair_folders(tmp_path / "p", tmp_path / "r", images=tmp_path / "images")
    assert [Path(pair.images[0]).name for pair in pairing.pairs] == ["case", "z"]
    for pair in pairing.pairs:
        assert read_volume(pair.images[0], series=pair.series or None).shape[1] == 6


def two_series(folder: Path) -> list[str]:
    voxels = np.random.default_rng(0).integers(0, 1000, (12, 8, 9)).astype(np.int16)
    uids = [generate_uid(), generate_uid()]
    for n, uid in enumerate(uids):
        names = [f"{n}_{k}.dcm" for k in range(6)]
        positions = [(0, 0, 2.0 * k) for k in range(6)]
        write_series(folder, voxels[6 * n :][:6], positions, names=names, series_uid=uid)
    return uids


def test_a_data_set_and_a_table_name_the_series_of_an_image(tmp_path: Path) -> None:
    uids = two_series(tmp_path / "ct")
    image = read_volume(tmp_path / "ct", series=uids[1])
    write_label_map(image.numpy() > 500, tmp_path / "label.nii.gz", like=image.meta)
    case = {"image": "./ct", "label": "./label.nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps({"training": [case], "test": [{**case, "series": uids[1]}]}))
    load = LoadVolumed(keys=["image", "label"])
    # training and a bundle's evaluation load so
    (chosen,) = dataset_cases(tmp_path, "test")
    assert np.array_equal(load(chosen)["image"].numpy(), image.numpy())
    (unclear,) = dataset_cases(tmp_path, "training")
    with pytest.raises(Exception, match="beside the image in a"):
        load(unclear)
    pairing = pair_dataset(tmp_path, "test", tmp_path / "none", made_later=True)
    assert [pair.series for pair in pairing.pairs] == [uids[1]]
    table = tmp_path / "pairs.csv"
    table.write_text(f"prediction,reference,image,series\nlabel.nii.gz,label.nii.gz,ct,{uids[1]}\n")
    assert [pair.series for pair in pair_csv(table).pairs] == [uids[1]]
    words = ["--pairs", str(table), "--labels", "1=tumour", "--lesions", "all", "--workers", "1"]
    assert main(["evaluate", *words, "--output", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert not any("scored without" in note for notes in summary["notes"].values() for note in notes)


def test_clicks_are_made_in_the_series_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uids = two_series(tmp_path / "ct")
    image = read_volume(tmp_path / "ct", series=uids[1])
    labels = np.zeros(image.shape, np.uint8)
    labels[0, 1:4, 2:6, 2:6] = 1
    write_label_map(labels, tmp_path / "label.nii.gz", like=image.meta)
    words = ["interact", "--image", str(tmp_path / "ct"), "--reference", str(tmp_path / "label.nii.gz")]
    words += ["--method", "classical", "--clicks", "1"]
    assert main(words) == 1
    assert "--series" in capsys.readouterr().err
    assert main([*words, "--series", uids[1]]) == 0


def test_segments_that_nobody_named_keep_their_numbers(tmp_path: Path) -> None:
    """They were read as a map of nothing."""
    phantom = write_phantom(tmp_path / "ct", shape=SHAPE)
    made = seg(phantom, tmp_path / "mask.dcm")
    assert np.unique(read_label_map(made, images=phantom.folder).labels).tolist() == [0, 1]
    assert not read_label_map(made, images=phantom.folder, labels={1: "another"}).labels.any()
