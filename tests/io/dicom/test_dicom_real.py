"""Every real series is read as `dcm2niix` reads it, or refused for a reason that stands in its headers."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.geometry.grid import from_working_frame
from monai_unet.io import DicomSeries, find_series, read_series, read_volume
from monai_unet.io.dicom.pixels import stored_values

ROOT = Path(os.environ.get("MONAI_UNET_DATA", "")) / "dicom"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("MONAI_UNET_DATA" not in os.environ, reason="MONAI_UNET_DATA names no folder of real data"),
]
ROWS = list(csv.DictReader((Path(__file__).parents[2] / "dicom_expected.csv").open(encoding="utf-8")))
READABLE = [row for row in ROWS if row["verdict"] == "readable"]
REFUSED = [row for row in ROWS if row["verdict"] == "refused"]
# Debian's dcm2niix is built without JPEG-LS.
NOT_BY_DCM2NIIX = ("1.2.840.10008.1.2.4.80",)


def name_of(row: dict[str, str]) -> str:
    return f"{row['folder']}-{row['series'][-6:]}"


@cache
def listed(folder: Path) -> dict[str, DicomSeries]:
    return {series.id: series for series in find_series(folder) if series.files[0].parent == folder}


def voxels_and_grid(folder: Path, series: str) -> tuple[np.ndarray, Grid]:
    volume = read_series(folder, series=series)
    grid = listed(folder)[series].grid
    return from_working_frame(volume[0].numpy(), grid), grid


def test_every_series_below_the_data_folder_has_its_row() -> None:
    folders = sorted({file.parent for file in ROOT.rglob("*") if file.is_file()})
    found = set()
    for folder in folders:
        try:
            found |= {(folder.relative_to(ROOT).as_posix(), uid) for uid in listed(folder)}
        except InputError as error:
            assert "holds no DICOM file" in str(error)  # noqa: PT017
    assert found == {(row["folder"], row["series"]) for row in ROWS}


@pytest.mark.parametrize("row", REFUSED, ids=name_of)
def test_refusal_has_its_reason_in_the_headers(row: dict[str, str]) -> None:
    series = listed(ROOT / row["folder"])[row["series"]]
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in series.files]
    keyword, _, value = row["header_evidence"].partition("=")
    if value:
        assert all(value in str(header.get(keyword)) for header in headers)
    elif keyword.startswith("no "):
        assert all(keyword.removeprefix("no ") not in header for header in headers)
    else:
        assert keyword == "uneven positions"
        normal = np.cross(*np.reshape(headers[0].ImageOrientationPatient, (2, 3)))
        gaps = np.diff(sorted(float(np.dot(header.ImagePositionPatient, normal)) for header in headers))
        assert gaps.max() > 1.9 * gaps.min()
    assert series.problems
    with pytest.raises(InputError, match="cannot be read"):
        read_series(ROOT / row["folder"], series=series.id)


@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix (Debian) is not installed")
@pytest.mark.parametrize("row", READABLE, ids=name_of)
def test_readable_series_is_what_dcm2niix_makes_of_it(row: dict[str, str], tmp_path: Path) -> None:
    series = listed(ROOT / row["folder"])[row["series"]]
    assert not series.problems
    voxels, grid = voxels_and_grid(ROOT / row["folder"], series.id)
    assert "×".join(map(str, grid.shape)) == row["shape"]
    if series.headers()[0].file_meta.TransferSyntaxUID in NOT_BY_DCM2NIIX:
        pytest.skip("this dcm2niix does not decode the transfer syntax; compared with its uncompressed copy elsewhere")
    source = tmp_path / "in"
    source.mkdir()
    for n, file in enumerate(series.files):
        shutil.copy(file, source / f"{n:04}.dcm")
    command = ["dcm2niix", "-z", "n", "-b", "n", "-p", "n", "-f", "out", "-o", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    theirs = [image for file in tmp_path.glob("*.nii") for image in _on_axes_of(grid, nib.load(file))]
    best = min(theirs, key=lambda pair: np.abs(_as_ours(pair[0], series) - voxels).max())
    np.testing.assert_allclose(_as_ours(best[0], series), voxels, rtol=1e-6, atol=1e-4)
    if not series.tilt:
        np.testing.assert_allclose(best[1], grid.affine, atol=1e-3)


def _on_axes_of(grid: Grid, image: nib.Nifti1Image) -> list[tuple[np.ndarray, np.ndarray]]:
    """Voxels and affine of dcm2niix's volume with its axes turned to ours; nothing where it is another volume."""
    array = np.squeeze(np.asanyarray(image.dataobj))
    array = array[..., None] if array.ndim == 2 else array
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.io_orientation(grid.affine))
    if array.ndim != 3 or nib.apply_orientation(array, turn).shape != grid.shape:
        return []
    affine = image.affine @ nib.orientations.inv_ornt_aff(turn, array.shape)
    return [(nib.apply_orientation(array, turn).astype(np.float64), affine)]


def _as_ours(theirs: np.ndarray, series: DicomSeries) -> np.ndarray:
    """dcm2niix keeps padding as stored, we write it as air."""
    return np.where(theirs < -1024, -1024, theirs) if any("padding" in note for note in series.notes) else theirs


@pytest.mark.parametrize("row", [r for r in READABLE if "gantrytilting" in r["folder"]], ids=name_of)
def test_tilted_slices_lie_where_each_header_puts_them(row: dict[str, str]) -> None:
    series = listed(ROOT / row["folder"])[row["series"]]
    assert series.tilt > 10
    for k, header in enumerate(series.headers()):
        x, y, z = header.ImagePositionPatient
        np.testing.assert_allclose(series.grid.affine[:3] @ [0, 0, k, 1], [-x, -y, z], atol=1e-3)


def test_compressed_copies_decode_to_the_same_voxels() -> None:
    folders = [f"dicom2nifti/generic/{name}/001" for name in ("compressed_j2k", "compressed_jpeg", "compressed_rle")]
    reference = read_volume(ROOT / "dicom2nifti/generic/compressed_jpegls/001")
    for folder in folders:
        np.testing.assert_array_equal(read_volume(ROOT / folder).numpy(), reference.numpy())


def test_seven_transfer_syntaxes_of_one_image_decode_equally() -> None:
    """The mosaic is refused as a volume; its pixels test the decoders against its uncompressed copy."""
    from monai_unet.io.dicom.files import read_headers
    from monai_unet.io.dicom.frames import frames_of
    from monai_unet.io.dicom.pixels import transfer_syntax

    headers, damaged = read_headers(ROOT / "dcm_qa_ts" / "In")
    assert not damaged
    frames = {header.path.name: frames_of(header)[0] for header in headers}
    reference = pydicom.dcmread(next(h.path for h in headers if not transfer_syntax(h.dataset).is_compressed))
    assert len({transfer_syntax(header.dataset) for header in headers}) >= 7
    for name, frame in frames.items():
        lossy = "lossy" in transfer_syntax(frame.header.dataset).name.lower()
        difference = np.abs(stored_values(frame).astype(int) - reference.pixel_array).max()
        assert difference <= (8 if lossy else 0), name


def test_missing_slice_is_named_by_its_place_and_filled_on_request() -> None:
    folder = ROOT / "missing_slice" / "with_gap"
    with pytest.raises(InputError, match=r"1 slice is missing between 36\.0 and 42\.0 mm"):
        read_series(folder)
    filled = read_series(folder, uneven="resample")
    intact = read_series(ROOT / "missing_slice" / "intact")
    assert filled.shape == intact.shape
    assert "interpolated" in " ".join(filled.meta["notes"])
    np.testing.assert_allclose(filled.affine, intact.affine, atol=1e-3)
    same = [k for k in range(intact.shape[1]) if np.array_equal(filled[0, k], intact[0, k])]
    assert len(same) == intact.shape[1] - 1


def test_an_rtstruct_beside_a_series_does_not_hide_it() -> None:
    volume = read_volume(ROOT / "rtstruct_sarcoma" / "STS_002" / "MR_T1")
    reference = read_volume(ROOT.parent / "SoftTissueSarcoma" / "STS_002" / "t1.nii.gz")
    assert volume.shape == reference.shape
    np.testing.assert_allclose(volume.affine, reference.affine, atol=1e-3)
    np.testing.assert_array_equal(volume.numpy(), reference.numpy())
