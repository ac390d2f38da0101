"""`monai-unet convert`, from the command line to the file."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_checks import DATA, dciodvfy_errors, labels_on, needs_data, needs_dciodvfy
from dicom_phantom import CORONAL, Phantom, oblique, write_phantom
from pydicom.sr.codedict import codes

from monai_unet.cli import main
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io import read_label_table, read_volume
from monai_unet.io.dicom.rtstruct_read import read_rtstruct
from monai_unet.io.dicom.seg import read_seg
from monai_unet.io.dicom.sr import read_sr


def nifti_mask(phantom: Phantom, labels: np.ndarray, path: Path) -> Path:
    """Labels on the phantom's grid as NIfTI."""
    nib.save(nib.Nifti1Image(labels, phantom.grid.affine), path)
    return path


def convert(*words: object) -> int:
    return main(["convert", *map(str, words)])


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_series_becomes_a_volume_with_the_same_voxels_in_the_same_places(tmp_path: Path, suffix: str) -> None:
    phantom = write_phantom(tmp_path / "ct", orientation=oblique((10.0, -7.0, 3.0)))
    assert convert(tmp_path / "ct", tmp_path / f"ct{suffix}") == 0
    image = SimpleITK.ReadImage(str(tmp_path / f"ct{suffix}"))
    assert image.GetPixelID() == SimpleITK.sitkInt16
    for index in ((0, 0, 0), (20, 16, 6), (3, 11, 2)):
        lps = (phantom.grid.affine @ [*index, 1])[:3] * [-1, -1, 1]
        found = image.GetPixel(image.TransformPhysicalPointToIndex(lps))
        assert found == phantom.voxels[index]


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
def test_mask_goes_to_dicom_and_back_with_its_names(tmp_path: Path, kind: str) -> None:
    phantom = write_phantom(tmp_path / "ct", orientation=CORONAL)
    labels = labels_on(phantom)
    mask = nifti_mask(phantom, labels, tmp_path / "mask.nii.gz")
    out, back = tmp_path / "result.dcm", tmp_path / "back.nii.gz"
    names = ["--names", "1=left kidney", "2=tumour"]
    assert convert(mask, out, "--to", kind, "--source", tmp_path / "ct", *names) == 0
    assert convert(out, back, "--source", tmp_path / "ct") == 0
    found = nib.load(back)
    np.testing.assert_array_equal(np.asarray(found.dataobj), labels)
    np.testing.assert_allclose(found.affine, phantom.grid.affine, atol=1e-4)
    assert {value: entry.name for value, entry in read_label_table(back).items()} == {1: "left kidney", 2: "tumour"}


def test_seg_becomes_rtstruct_without_a_detour(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    mask = nifti_mask(phantom, labels_on(phantom), tmp_path / "mask.nii.gz")
    source = ["--source", tmp_path / "ct"]
    assert convert(mask, tmp_path / "seg.dcm", "--to", "seg", "--names", "1=spleen", "2=liver", *source) == 0
    assert convert(tmp_path / "seg.dcm", tmp_path / "rt.dcm", "--to", "rtstruct", *source) == 0
    found = read_rtstruct(tmp_path / "rt.dcm", source=phantom)
    assert [segment.name for segment in found.segments] == ["spleen", "liver"]
    np.testing.assert_array_equal(found.label_map(), read_seg(tmp_path / "seg.dcm", source=phantom).label_map())


def test_report_measures_each_part_on_the_source_images(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct", spacing=(1.0, 1.0, 2.0))
    labels = np.zeros(phantom.grid.shape, np.uint8)
    labels[2:8, 3:6, 1:4] = 1
    labels[12:14, 10:12, 5] = 1
    mask = nifti_mask(phantom, labels, tmp_path / "mask.nii.gz")
    assert convert(mask, tmp_path / "sr.dcm", "--to", "sr", "--source", tmp_path / "ct", "--names", "1=tumour") == 0
    big, small = read_sr(tmp_path / "sr.dcm").lesions
    assert (big.volume_ml, small.volume_ml) == (pytest.approx(0.108), pytest.approx(0.008))
    inside = phantom.voxels[2:8, 3:6, 1:4].astype(float)
    assert (big.mean, big.sd) == (pytest.approx(inside.mean(), rel=1e-5), pytest.approx(inside.std(), rel=1e-5))
    assert big.unit == "[hnsf'U]"
    assert (big.name, small.name) == ("tumour 1", "tumour 2")
    assert big.finding == codes.SCT.Neoplasm
    seg = read_seg(tmp_path / "sr.seg.dcm", source=phantom)
    assert [segment.tracking_uid for segment in seg.segments] == [big.tracking_uid, small.tracking_uid]
    np.testing.assert_array_equal(seg.label_map()[0] > 0, to_working_frame(labels, phantom.grid)[0] > 0)


def test_provenance_of_segment_names_the_structures_and_the_model(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    mask = nifti_mask(phantom, labels_on(phantom), tmp_path / "case7.nii.gz")
    stated = {"bundle": "kidney_ct", "version": "0.3.1", "weights_sha256": "cd" * 32, "labels": {"1": "a", "2": "b"}}
    (tmp_path / "case7.json").write_text(json.dumps(stated))
    assert convert(mask, tmp_path / "seg.dcm", "--to", "seg", "--source", tmp_path / "ct") == 0
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    assert [item.SegmentLabel for item in dataset.SegmentSequence] == ["a", "b"]
    assert {item.SegmentAlgorithmType for item in dataset.SegmentSequence} == {"AUTOMATIC"}
    assert "kidney_ct 0.3.1, weights SHA-256 " + "cd" * 32 in dataset.to_json()


def test_deidentified_result_and_series_match_and_hold_nothing_of_the_patient(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    phantom = write_phantom(tmp_path / "ct")
    for file in phantom.folder.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.PatientName = "Doe"
        dataset.save_as(file)
    (tmp_path / "key").write_bytes(b"0123456789abcdef0123456789abcdef")
    mask = nifti_mask(phantom, labels_on(phantom, highest=1), tmp_path / "mask.nii.gz")
    secret = ["--deidentify", "--key", tmp_path / "key"]
    assert convert(tmp_path / "ct", tmp_path / "anonymous", "--to", "dicom", *secret) == 0
    for kind in ("seg", "rtstruct", "sr"):
        words = [mask, tmp_path / f"{kind}.dcm", "--to", kind, "--source", tmp_path / "ct", "--names", "1=spleen"]
        assert convert(*words, *secret) == 0
        assert b"Doe" not in (tmp_path / f"{kind}.dcm").read_bytes()
        assert convert(*words) == 0
        assert b"Doe" in (tmp_path / f"{kind}.dcm").read_bytes()
        assert convert(*words, *secret) == 0
    back = tmp_path / "back.nii.gz"
    assert convert(tmp_path / "seg.dcm", back, "--source", tmp_path / "anonymous") == 0
    np.testing.assert_array_equal(nib.load(back).dataobj, nib.load(mask).dataobj)
    output = "".join(capfd.readouterr())
    assert "Doe" not in output
    assert "MRN" not in output


def test_volume_file_holds_nothing_of_the_patient(tmp_path: Path) -> None:
    write_phantom(tmp_path / "ct")
    for name in ("ct.nii", "ct.nrrd", "ct.mha"):
        assert convert(tmp_path / "ct", tmp_path / name) == 0
        content = (tmp_path / name).read_bytes()
        for word in (b"Doe", b"MRN-12345", b"19500101", b"Hospital", b"20240229"):
            assert word not in content


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mask.nii.gz", "x.dcm"], "say what to write, --to seg"),
        (["mask.nii.gz", "x.dcm", "--to", "seg"], "give --source DICOM_DIR"),
        (["mask.nii.gz", "x.nii.gz", "--to", "seg", "--source", "ct"], "ends in .dcm"),
        (["mask.nii.gz", "x.dcm", "--to", "seg", "--source", "ct"], "name them: --names 1=tumour"),
        (["mask.nii.gz", "x.dcm", "--to", "seg", "--source", "ct", "--names", "1=a"], "has the value 2"),
        (["mask.nii.gz", "x.dcm", "--to", "seg", "--source", "ct", "--names", "tumour=1"], "1=tumour"),
        (["mask.nii.gz", "x.dcm", "--to", "rtstruct", "--source", "ct2", "--names", "1=a", "2=b"], "does not lie on"),
        (["ct.nii.gz", "x.dcm", "--to", "seg", "--source", "ct", "--names", "1=a"], "is an image, not a mask"),
        (["ct", "x.nii.gz", "--deidentify"], "--deidentify is for DICOM outputs"),
        (["ct", "copy", "--to", "dicom"], "say so with --deidentify"),
        (["rt.dcm", "x.nii.gz"], "give --source DICOM_DIR"),
        (["overlap.dcm", "x.nii.gz"], "overlap; write one file for each with --split"),
        (["overlap.dcm", "x.dcm", "--to", "sr", "--source", "ct"], "report them one at a time"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    from dicom_checks import ALGORITHM, SEGMENTS

    from monai_unet.io.dicom.rtstruct import write_rtstruct
    from monai_unet.io.dicom.seg import write_seg

    monkeypatch.chdir(tmp_path)
    phantom = write_phantom(tmp_path / "ct")
    write_phantom(tmp_path / "ct2", origin=(0.0, 0.0, 0.0), seed=9)
    nifti_mask(phantom, labels_on(phantom), Path("mask.nii.gz"))
    nifti_mask(phantom, phantom.voxels, Path("ct.nii.gz"))
    both = np.ones((2, *phantom.grid.to_working().shape), np.uint8)
    write_seg(both, "overlap.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    write_rtstruct(both[0], "rt.dcm", source=phantom, segments=SEGMENTS[:1], algorithm=ALGORITHM)
    before = set(tmp_path.iterdir())
    assert convert(*words) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_overlapping_structures_are_split_into_files(tmp_path: Path) -> None:
    from dicom_checks import ALGORITHM, SEGMENTS

    from monai_unet.io.dicom.seg import write_seg

    phantom = write_phantom(tmp_path / "ct")
    masks = np.random.default_rng(0).random((2, *phantom.grid.to_working().shape)) < 0.4
    write_seg(masks, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    assert convert(tmp_path / "seg.dcm", tmp_path / "out", "--split", "--source", tmp_path / "ct") == 0
    for n, name in enumerate(["01_left_kidney", "02_Tumour"]):
        found = read_volume(tmp_path / "out" / f"{name}.nii.gz", dtype=np.uint8)
        np.testing.assert_array_equal(found[0], masks[n])


@pytest.mark.parametrize(
    "content",
    ['{"1": "spleen", "2": "liver"}', '{"labels": {"background": 0, "spleen": 1, "liver": 2}}', "1 spleen\n2 liver"],
)
def test_names_are_read_from_a_file(tmp_path: Path, content: str) -> None:
    phantom = write_phantom(tmp_path / "ct")
    mask = nifti_mask(phantom, labels_on(phantom), tmp_path / "mask.nii.gz")
    (tmp_path / "names").write_text(content)
    assert convert(mask, tmp_path / "mask.nrrd", "--names", tmp_path / "names") == 0
    names = {value: entry.name for value, entry in read_label_table(tmp_path / "mask.nrrd").items()}
    assert names == {1: "spleen", 2: "liver"}


@pytest.mark.data
@needs_data
@needs_dciodvfy
@pytest.mark.parametrize("kind", ["seg", "rtstruct", "sr"])
def test_real_tumour_series_carries_results_without_error(tmp_path: Path, kind: str) -> None:
    folder = DATA / "dicom" / "brain_tumour_mr" / "12-T1post-05670"
    image = read_volume(folder)
    labels = np.zeros(image.shape[1:], np.uint8)
    labels[5:12, 200:260, 220:300] = 1
    labels[7:9, 220:240, 240:260] = 0
    labels[14:16, 100:120, 300:330] = 2
    grid = np.asarray(image.affine, dtype=float)
    nib.save(nib.Nifti1Image(labels.transpose(2, 1, 0), grid[:, [2, 1, 0, 3]]), tmp_path / "mask.nii.gz")
    out = tmp_path / "out.dcm"
    words = [tmp_path / "mask.nii.gz", out, "--to", kind, "--source", folder, "--names", "1=tumour", "2=edema"]
    assert convert(*words) == 0
    assert dciodvfy_errors(out) == []
    if kind == "sr":
        assert [round(lesion.volume_ml, 3) for lesion in read_sr(out).lesions] == [
            round(float((labels == value).sum() * abs(np.linalg.det(grid[:3, :3])) / 1000), 3) for value in (1, 2)
        ]
    else:
        assert convert(out, tmp_path / "back.nii.gz", "--source", folder) == 0
        np.testing.assert_array_equal(read_volume(tmp_path / "back.nii.gz", dtype=np.uint8)[0], labels)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", ["seg", "rtstruct", "sr"])
def test_a_result_never_replaces_a_slice_of_its_source(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    phantom = write_phantom(tmp_path / "ct")
    mask = nifti_mask(phantom, labels_on(phantom, highest=1), tmp_path / "mask.nii.gz")
    slice_2 = sorted((tmp_path / "ct").iterdir())[1]
    (tmp_path / "link.dcm").symlink_to(slice_2)
    before = files_of(tmp_path)
    for target in (slice_2, tmp_path / "link.dcm"):
        for more in ([], ["--overwrite"]):
            words = ("--to", kind, "--source", tmp_path / "ct", "--names", "1=spleen", *more)
            assert convert(mask, target, *words) == 1
            assert "input" in capsys.readouterr().err
    assert files_of(tmp_path) == before


def test_a_volume_that_is_there_is_replaced_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phantom = write_phantom(tmp_path / "ct")
    mask = nifti_mask(phantom, labels_on(phantom), tmp_path / "mask.nii.gz")
    other = tmp_path / "other.nii.gz"
    other.write_bytes(b"of somebody else")
    for words in ((tmp_path / "ct", other), (mask, other, "--names", "1=a", "2=b")):
        assert convert(*words) == 1
        assert "there already" in capsys.readouterr().err
        assert other.read_bytes() == b"of somebody else"
    assert convert(mask, mask, "--names", "1=a", "2=b", "--overwrite") == 1
    assert convert(tmp_path / "ct", other, "--overwrite") == 0


def test_a_copy_of_a_series_goes_into_a_folder_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phantom = write_phantom(tmp_path / "ct")
    used = tmp_path / "used"
    used.mkdir()
    (used / "0009.dcm").write_bytes(b"of another patient")
    before = files_of(tmp_path)
    for output in (phantom.folder, phantom.folder / "anonymous", used):
        assert convert(phantom.folder, output, "--to", "dicom", "--deidentify") == 1
        assert capsys.readouterr().err.startswith("monai-unet: ")
    assert files_of(tmp_path) == before


def test_a_copy_of_a_series_that_fails_leaves_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phantom = write_phantom(tmp_path / "ct")
    real, count = pydicom.Dataset.save_as, iter(range(99))

    def full(*words: object, **options: object) -> None:
        if next(count) == 2:
            raise OSError(28, "No space left on device")
        real(*words, **options)

    monkeypatch.setattr(pydicom.Dataset, "save_as", full)
    assert convert(phantom.folder, tmp_path / "anonymous", "--to", "dicom", "--deidentify") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct"]


def test_a_header_with_its_voxels_elsewhere_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_phantom(tmp_path / "ct")
    assert convert(tmp_path / "ct", tmp_path / "ct.mhd") == 1
    assert ".mha" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct"]
