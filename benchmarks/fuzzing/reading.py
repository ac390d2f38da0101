"""One damaged case through monai_unet and, where that reads it, through another program; what differs is raised."""

from __future__ import annotations

import warnings
from pathlib import Path

import independent
import nibabel as nib
import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray
from pydicom import dcmread
from samples import session_image

from monai_unet.bundle_format.archives import unpack
from monai_unet.bundle_format.metadata import read_description
from monai_unet.errors import InputError
from monai_unet.evaluation.journal import EvaluationJournal
from monai_unet.geometry import grid_of
from monai_unet.interaction import EditSession
from monai_unet.io import StoredSegmentation, dataset_cases, find_cases, find_series, notes_of, read_volume
from monai_unet.io.datasets import dataset_labels, inventory
from monai_unet.io.dicom import read_rtstruct, read_seg

_NEAR = 0.01
"""Share of a voxel by which two readers may differ in a place."""
_SLICE_NEAR = 0.11
"""The same for slices, which may lie a tenth of a voxel off their regular places."""


class DifferenceError(Exception):
    """What was read is not what another program reads."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def read_case(kind: str, folder: Path, target: str) -> str:
    """Read a case; says how it went.

    Raises:
        InputError: it was refused in a sentence.
        DifferenceError: another program reads something else.
    """
    path = folder / target if target else folder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "nifti": _volume,
            "itk": _volume,
            "series": _series,
            "seg": _seg,
            "rtstruct": _rtstruct,
            "bundle": _bundle,
            "evaluation": _evaluation,
            "session": _session,
            "dataset": _dataset,
        }[kind](path)


def _volume(path: Path) -> str:
    listed = inventory(path)
    volume = read_volume(path)
    if listed[0].problems or listed[0].shape != tuple(volume.meta["spatial_shape"]):
        raise DifferenceError("info", str(listed[0].as_dict()))
    try:
        read = independent.nifti if path.name.endswith((".nii", ".nii.gz")) else independent.itk
        voxels, affine = read(path)
    except Exception:
        return "read alone"
    if voxels.ndim != 3 or not np.isfinite(affine).all():
        return "read alone"
    if any("sform" in note and "qform is used" in note for note in notes_of(volume.meta)):
        # nibabel would use the sform all the same
        return "read alone"
    _compare(volume, voxels, affine, near=_NEAR)
    return "read by both"


def _compare(volume: MetaTensor, voxels: NDArray[np.float64], affine: NDArray[np.float64], *, near: float) -> None:
    ours = np.asarray(volume.as_tensor()[0])
    matrix = np.linalg.inv(np.asarray(volume.affine, dtype=float)) @ affine
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in voxels.shape], indexing="ij")).reshape(3, -1)
    places = matrix[:3, :3] @ corners + matrix[:3, 3:]
    if np.abs(places - np.round(places)).max() > near:
        raise DifferenceError("geometry", f"matrix between the grids\n{matrix}")
    indices = np.indices(voxels.shape).reshape(3, -1)
    mine = np.rint(np.round(matrix[:3, :3]) @ indices + np.round(places[:, :1])).astype(int)
    if ours.size != voxels.size or mine.min() < 0 or (mine.max(axis=1) >= ours.shape).any():
        raise DifferenceError("geometry", f"{ours.shape} (S, A, R) against {voxels.shape}\n{matrix}")
    _values(ours[tuple(mine)], voxels.ravel(), volume)


def _values(ours: NDArray[np.generic], theirs: NDArray[np.float64], volume: MetaTensor) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = theirs.astype(np.float32)
    # NaN and infinity were set to the lowest value, with a note
    known = np.isfinite(wanted) & np.isfinite(theirs)
    if not known.all() and not notes_of(volume.meta):
        raise DifferenceError("values", "NaN or infinity was replaced without a note")
    if not np.allclose(ours[known], wanted[known], rtol=1e-5, atol=1e-3):
        worst = int(np.argmax(np.abs(ours[known] - wanted[known])))
        raise DifferenceError(
            "values", f"{ours[known][worst]} against {wanted[known][worst]}, notes {notes_of(volume.meta)}"
        )


def _series(path: Path) -> str:
    listed = inventory(path)
    cases = find_cases(path)
    volume = read_volume(path)
    good = [entry for entry in listed if not entry.problems]
    if not good or tuple(volume.meta["spatial_shape"]) not in [entry.shape for entry in good]:
        raise DifferenceError("info", f"{[entry.as_dict() for entry in listed]}")
    if not cases:
        raise DifferenceError("cases", "read, but no case")
    return _compare_series(volume, path)


def _compare_series(volume: MetaTensor, path: Path) -> str:
    notes = notes_of(volume.meta)
    uid = str(volume.meta["series_uid"]).split("/")[0]
    ours = np.asarray(volume.as_tensor()[0])
    to_voxel = np.linalg.inv(np.asarray(volume.affine, dtype=float))
    seen = np.zeros(ours.shape, bool)
    compared = unread = 0
    for dataset in independent.datasets(path):
        try:
            if str(dataset.get("SeriesInstanceUID", "")) != uid:
                continue
            planes = list(independent.planes_of(dataset))
        except Exception:
            unread += 1
            continue
        for plane in planes:
            if plane.values.ndim != 2:
                # more pixels than the matrix takes: pydicom makes several images of them
                if not notes:
                    raise DifferenceError("values", f"pydicom reads {plane.values.shape}, notes {notes}")
                continue
            rows, columns = plane.values.shape
            pixels = np.stack(
                [np.tile(np.arange(columns), rows), np.repeat(np.arange(rows), columns), np.zeros(rows * columns)]
            )
            places = (to_voxel @ plane.affine)[:3, :3] @ pixels + (to_voxel @ plane.affine)[:3, 3:]
            mine = np.rint(places).astype(int)
            outside = mine.min() < 0 or (mine.max(axis=1) >= ours.shape).any()
            if outside or np.abs(places - mine).max() > _SLICE_NEAR:
                if not notes:
                    raise DifferenceError("left out", f"a slice is in no volume, nothing is said\n{plane.affine}")
                continue
            if any("padding" in note or "copies" in note for note in notes):
                seen[tuple(mine)] = True
                continue
            _values(ours[tuple(mine)], plane.values.ravel(), volume)
            seen[tuple(mine)] = True
            compared += 1
    if compared and not unread and not seen.all():
        raise DifferenceError("geometry", f"{int((~seen).sum())} voxels that pydicom finds in no slice, notes {notes}")
    return "read by both" if compared else "read alone"


def _seg(path: Path) -> str:
    (series,) = find_series(path.parent / "ct")
    alone = _stored(lambda: read_seg(path))
    placed = _stored(lambda: read_seg(path, source=series))
    found = [stored for stored in (alone, placed) if stored is not None]
    if not found:
        raise InputError("refused")
    try:
        dataset = dcmread(path)
        planes = list(independent.planes_of(dataset))
    except Exception:
        return "read alone"
    for stored in found:
        _compare_seg(stored, planes, dataset)
    return "read by both"


def _stored(read: object) -> StoredSegmentation | None:
    try:
        stored: StoredSegmentation = read()  # type: ignore[operator]
        for segment in stored.segments:
            stored.mask(segment.number)
        return stored
    except InputError:
        return None


def _compare_seg(stored: StoredSegmentation, planes: list[independent.Plane], dataset: object) -> None:
    scale = float(getattr(dataset, "MaximumFractionalValue", 1)) if stored.fractional else 1.0
    for segment in stored.segments:
        mask = stored.mask(segment.number)
        ours = np.asarray(mask.as_tensor()[0], dtype=np.float64)
        to_voxel = np.linalg.inv(np.asarray(grid_of(mask).affine))
        wanted = np.zeros_like(ours)
        for plane in planes:
            if plane.number != segment.number:
                continue
            rows, columns = np.nonzero(plane.values)
            matrix = to_voxel @ plane.affine
            places = matrix[:3, :3] @ np.stack([columns, rows, np.zeros(len(rows))]) + matrix[:3, 3:]
            mine = np.rint(places).astype(int)
            if not len(rows):
                continue
            if np.abs(places - mine).max() > _SLICE_NEAR or mine.min() < 0 or (mine.max(axis=1) >= ours.shape).any():
                raise DifferenceError("geometry", f"voxels of segment {segment.number} lie outside the grid")
            wanted[tuple(mine)] = plane.values[rows, columns] / scale
        if not np.allclose(ours, wanted, atol=1e-3):
            text = f"segment {segment.number}: {int((ours > 0).sum())} voxels against {int((wanted > 0).sum())}"
            raise DifferenceError("values", f"{text}, notes {stored.notes}")
    numbers = {segment.number for segment in stored.segments}
    left = {plane.number for plane in planes if plane.values.any()} - numbers
    if left:
        raise DifferenceError("left out", f"segments {left} have voxels and are not listed")


def _rtstruct(path: Path) -> str:
    (series,) = find_series(path.parent / "ct")
    stored = read_rtstruct(path, source=series)
    masks = {segment.number: stored.mask(segment.number) for segment in stored.segments}
    assert series.grid is not None
    compared = False
    try:
        dataset = dcmread(path)
        for number in masks:
            inside, plain = independent.contour_fill(dataset, number, series.grid.affine, series.grid.shape)
            if not plain:
                continue
            compared = True
            # the series is axial with rows to the back and columns to the left: (i, j, k) is (-R, -A, S)
            ours = np.asarray(masks[number].as_tensor()[0])[:, ::-1, ::-1].transpose(2, 1, 0)
            if int((ours != inside).sum()) > 0 and not stored.notes:
                raise DifferenceError("values", f"ROI {number}: {int(ours.sum())} voxels against {int(inside.sum())}")
    except DifferenceError:
        raise
    except Exception:
        return "read alone"
    return "read by both" if compared else "read alone"


def _bundle(path: Path) -> str:
    refused = 0
    for attempt in (
        lambda: unpack(path, path.parent / "unpacked"),
        lambda: read_description(path.parent / "metadata.json"),
    ):
        try:
            attempt()
        except InputError:
            refused += 1
    if refused:
        raise InputError("refused")
    return "read alone"


def _evaluation(path: Path) -> str:
    with EvaluationJournal(path, {"settings": 1}, resume=True) as journal:
        cases = {result.pair.case for _, result in journal.done()}
        lost = bool(journal.notes)
    if not cases <= set("abcdef"):
        raise DifferenceError("values", f"cases {cases}")
    if len(cases) < 5 and not lost and len(cases) != path.read_bytes().count(b"\n") - 1:
        raise DifferenceError("left out", f"cases {cases}, no note")
    return "read alone"


def _session(path: Path) -> str:
    session, notes = EditSession.recover(path, *session_image())
    session.close()
    return "read alone" if not notes else "read alone, with a note"


def _dataset(path: Path) -> str:
    dataset_labels(path.parent)
    dataset_cases(path.parent, "training")
    nib.load(path.parent / "image.nii")
    return "read alone"
