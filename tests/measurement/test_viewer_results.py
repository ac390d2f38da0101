"""Results for viewers without SEG: valid DICOM, over the right pixels of the right images, with nothing of the patient
in pixels or pages, and always beside SEG and SR."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_checks import ALGORITHM, GEOMETRIES, dciodvfy_errors, needs_dciodvfy
from dicom_phantom import Phantom, write_phantom
from matplotlib.backends.backend_agg import FigureCanvasAgg
from skimage.draw import polygon2mask

from monai_unet.cli import main
from monai_unet.io import read_mask_file
from monai_unet.io.dicom import find_usable_series, is_own_result
from monai_unet.measurement import ViewerResults, write_viewer_results


def _labels(phantom: Phantom) -> np.ndarray:
    """Two lesions and a part of an organ (column, row, slice), none of them symmetric."""
    labels = np.zeros(phantom.grid.shape, np.uint8)
    labels[3:9, 2:5, 1:4] = 1
    labels[9:11, 4, 2] = 1
    labels[14:18, 10:15, 3:6] = 1
    labels[16:, 0:6, 4] = 2
    return labels


def _written(phantom: Phantom, labels: np.ndarray, folder: Path, name: str = "tumour") -> ViewerResults:
    path = folder / "mask.nii.gz"
    nib.save(nib.Nifti1Image(labels, phantom.grid.affine), path)
    series = find_usable_series(phantom.folder, None)
    mask = read_mask_file(path, source=series, names={1: name, 2: "liver"})
    return write_viewer_results(
        mask, folder / "out", images=phantom.folder, series=series, target=series, algorithm=ALGORITHM
    )


def _slices(phantom: Phantom) -> dict[tuple[str, int], int]:
    """(SOPInstanceUID, frame) → slice of the phantom's grid, by position."""
    found = {}
    for header in phantom.headers():
        frames = header.get("PerFrameFunctionalGroupsSequence")
        places = (
            [f.PlanePositionSequence[0].ImagePositionPatient for f in frames]
            if frames
            else [header.ImagePositionPatient]
        )
        for number, place in enumerate(places, start=1):
            index = phantom.grid.to_index(np.array(place, float) * [-1, -1, 1])
            found[str(header.SOPInstanceUID), number] = round(float(index[2]))
    return found


@pytest.mark.parametrize("geometry", ["axial", "sagittal", "tilted", "multi-frame oblique"])
def test_outlines_lie_on_the_voxels_of_the_images_they_refer_to(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])  # type: ignore[arg-type]
    labels = _labels(phantom)
    done = _written(phantom, labels, tmp_path)
    assert done.findings == 3
    slices = _slices(phantom)
    (path,) = done.files["pr"]
    state = pydicom.dcmread(path)
    seen = {}
    for annotation in state.GraphicAnnotationSequence:
        (image,) = annotation.ReferencedImageSequence
        k = slices[str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber") or 1)]
        filled = np.zeros(labels.shape[1::-1], bool)
        for graphic in annotation.GraphicObjectSequence:
            points = np.array(graphic.GraphicData).reshape(-1, 2) - 0.5  # corner of the first pixel → its middle
            filled |= polygon2mask(filled.shape, points[:, ::-1])
        seen[k] = filled
    assert sorted(seen) == [1, 2, 3, 4, 5]
    for k, filled in seen.items():
        assert np.array_equal(filled, labels[:, :, k].T > 0), k
    (key_objects,) = (pydicom.dcmread(path) for path in done.files["ko"])
    (evidence,) = key_objects.CurrentRequestedProcedureEvidenceSequence
    chosen = {
        str(item.ReferencedSOPInstanceUID)
        for s in evidence.ReferencedSeriesSequence
        for item in s.ReferencedSOPSequence
    }
    assert chosen <= {uid for uid, _ in slices}
    if "multi" not in geometry:
        assert sorted(slices[uid, 1] for uid in chosen) == [2, 3, 4]


@pytest.mark.parametrize("geometry", ["axial", "oblique"])
def test_pictures_show_the_outline_where_the_lesion_is(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])  # type: ignore[arg-type]
    labels = np.zeros(phantom.grid.shape, np.uint8)
    labels[15:19, 9:13, 2] = 1
    done = _written(phantom, labels, tmp_path)
    (path,) = done.files["sc"]
    picture = pydicom.dcmread(path)
    source = picture.SourceImageSequence[0]
    assert _slices(phantom)[str(source.ReferencedSOPInstanceUID), 1] == 2
    pixels = picture.pixel_array.astype(int)
    coloured = np.ptp(pixels, axis=2) > 60  # the image and what is written are grey or of the lesion's colour
    rows, columns = pixels.shape[:2]
    assert min(rows, columns) >= 512
    assert columns * 0.9 * 17 == pytest.approx(rows * 0.8 * 21, rel=0.01) or columns / rows == pytest.approx(
        21 * 0.8 / (17 * 0.9), rel=0.01
    )
    # the name is written left of the lesion, where there is more room; the outline's right edge stands alone
    right = np.flatnonzero(coloured.sum(axis=0) > rows / 17 * 3)
    assert right.max() / columns == pytest.approx(19 / 21, abs=0.01)
    below = np.flatnonzero(coloured.sum(axis=1) > columns / 21 * 3)
    assert below.max() / rows == pytest.approx(13 / 17, abs=0.01)
    assert below.min() / rows == pytest.approx(9 / 17, abs=0.01)


@pytest.mark.parametrize("columns", [slice(0, 3), slice(8, 12), slice(17, 20), slice(0, 21)])
def test_what_is_written_is_seen_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: slice) -> None:
    """Before, a long name left of a lesion began outside of the picture."""
    phantom = write_phantom(tmp_path / "ct")
    labels = np.zeros(phantom.grid.shape, np.uint8)
    labels[columns, 4:7, 2] = 1
    seen = []

    def draw(canvas: FigureCanvasAgg) -> None:
        FIGURE_DRAW(canvas)
        (axes,) = canvas.figure.axes
        seen.extend((text.get_text(), text.get_window_extent(), canvas.figure.bbox) for text in axes.texts)

    FIGURE_DRAW = FigureCanvasAgg.draw  # noqa: N806
    monkeypatch.setattr(FigureCanvasAgg, "draw", draw)
    _written(phantom, labels, tmp_path, name="a lesion of the left posterior hippocampus and what lies around it")
    assert any("ml" in text for text, *_ in seen)
    for text, extent, whole in seen:
        assert whole.contains(extent.x0, extent.y0), text
        assert whole.contains(extent.x1, extent.y1), text


@needs_dciodvfy
@pytest.mark.parametrize("geometry", ["axial", "multi-frame"])
def test_every_file_is_valid_and_ours_and_of_the_same_patient(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])  # type: ignore[arg-type]
    done = _written(phantom, _labels(phantom), tmp_path)
    assert all(done.files.values())
    files = [path for paths in done.files.values() for path in paths]
    assert {path: errors for path in files if (errors := dciodvfy_errors(path))} == {}
    source = phantom.headers()[0]
    for path in files:
        read = pydicom.dcmread(path)
        assert (read.PatientID, str(read.PatientName)) == (source.PatientID, str(source.PatientName))
        assert read.StudyInstanceUID == source.StudyInstanceUID
        assert "research use" in read.SeriesDescription
        assert is_own_result(path)
    assert len({pydicom.dcmread(path).SeriesInstanceUID for path in files}) == len(done.files)
    (document,) = done.files["pdf"]
    pdf = bytes(pydicom.dcmread(document).EncapsulatedDocument)
    assert pdf.startswith(b"%PDF-")
    assert b"Doe" not in pdf
    assert b"MRN" not in pdf
    if shutil.which("dcm2pdf"):
        subprocess.run(["dcm2pdf", str(document), str(tmp_path / "summary.pdf")], check=True)
        assert (tmp_path / "summary.pdf").read_bytes().startswith(b"%PDF-")


def test_where_nothing_was_found_that_is_said(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    done = _written(phantom, np.zeros(phantom.grid.shape, np.uint8), tmp_path)
    assert done.findings == 0
    assert {kind: len(paths) for kind, paths in done.files.items()} == {
        "seg": 1, "sr": 0, "sc": 1, "ko": 0, "pdf": 1, "pr": 0,
    }  # fmt: skip
    assert len(pydicom.dcmread(done.files["seg"][0]).SegmentSequence) == 2


def test_convert_writes_them_beside_seg_and_sr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phantom = write_phantom(tmp_path / "ct")
    nib.save(nib.Nifti1Image(_labels(phantom), phantom.grid.affine), tmp_path / "mask.nii.gz")
    words = ["convert", str(tmp_path / "mask.nii.gz"), str(tmp_path / "out"), "--to", "viewers"]
    assert main([*words, "--names", "1=tumour", "2=liver"]) == 1
    assert "--source" in capsys.readouterr().err
    words += ["--source", str(phantom.folder), "--names", "1=tumour", "2=liver", "--deidentify"]
    assert main(words) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    pictures = [f"sc_{n:04}.dcm" for n in range(1, 6)]
    assert names == sorted(["key_objects.dcm", "presentation.dcm", "seg.dcm", "sr.dcm", "summary.dcm", *pictures])
    for path in (tmp_path / "out").iterdir():
        assert b"Jan" not in path.read_bytes()
        assert b"MRN" not in path.read_bytes()
    assert main(words) == 1
    assert "holds files already" in capsys.readouterr().err
