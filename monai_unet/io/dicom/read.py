"""One DICOM series as a volume: which series is meant, its voxels in physical units, its place in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import DTypeLike, NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, from_working_frame, meta_of, to_working_frame
from monai_unet.io.dicom.pixels import read_quantities
from monai_unet.io.dicom.regrid import evenly_spaced, orthogonal
from monai_unet.io.dicom.series import DicomSeries, find_series
from monai_unet.io.limits import check_need, named
from monai_unet.io.notes import NOTES


def read_series(
    path: str | Path,
    *,
    series: str | None = None,
    dtype: DTypeLike = np.float32,
    uneven: Literal["refuse", "resample"] = "refuse",
    tilt: Literal["keep", "resample"] = "keep",
) -> MetaTensor:
    """One DICOM series as a MetaTensor (1, S, A, R); its `meta` as `read_volume`, with `series_uid` and `modality`.

    Args:
        path: folder, DICOMDIR, zip or file; with several series, `series` names one.
        series: `id` or `uid` of a `DicomSeries`.
        dtype: of the voxels; quantities after slope and intercept (HU, Bq/ml, ...).
        uneven: what to do with missing or unevenly spaced slices: refuse, or interpolate to a regular grid.
        tilt: keep the sheared affine of a tilted gantry exactly, or interpolate to an orthogonal grid.

    Raises:
        InputError: nothing to read, several series and none named, or one that cannot be trusted.
    """
    with named(path):
        return _read(Path(path), series, dtype, uneven, tilt)


def _read(
    path: Path,
    series: str | None,
    dtype: DTypeLike,
    uneven: Literal["refuse", "resample"],
    tilt: Literal["keep", "resample"],
) -> MetaTensor:
    chosen = choose_series(find_series(path), path, series)
    solved = chosen.uneven if uneven == "resample" else ""
    problems = [problem for problem in chosen.problems if problem != solved]
    if problems:
        hint = ""
        if problems == [chosen.uneven]:
            hint = "; `monai-unet convert --resample` interpolates them (uneven='resample' in Python)"
        raise InputError(f"{path}: series {chosen} cannot be read: {problems[0]}{hint}.")
    array, grid, notes = _voxels(chosen, dtype, resample_uneven=bool(solved), resample_tilt=tilt == "resample")
    working, working_grid = to_working_frame(array, grid)
    meta = {
        **meta_of(working_grid, of_file=grid),
        "filename_or_obj": str(path),
        NOTES: tuple(notes),
        "series_uid": chosen.id,
        "frame_of_reference_uid": chosen.frame_of_reference_uid,
        "description": chosen.description,
        "modality": chosen.modality,
    }
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(working)[None]), meta=meta)


def choose_series(found: Sequence[DicomSeries], path: Path, named: str | None) -> DicomSeries:
    """The series that a caller means.

    Raises:
        InputError: the named one is not there, or none is named and there are several.
    """
    listing = "\n".join(f"  {series}" for series in found)
    if named is not None:
        matching = [s for s in found if named == s.id] or [s for s in found if named == s.uid]
        if len(matching) == 1:
            return matching[0]
        problem = "holds several volumes of" if matching else "holds no"
        raise InputError(f"{path} {problem} series {named}; name one of\n{listing}")
    images = [s for s in found if s.is_image]
    candidates = [s for s in images if s.frames > 1] or images or list(found)
    if len(candidates) > 1:
        raise InputError(
            f'{path} holds several volumes; name one with --series (series= in Python, "series" beside the image in a '
            f"dataset.json or a CSV of pairs):\n{listing}"
        )
    return _with_siblings_named(candidates[0], found)


def _with_siblings_named(chosen: DicomSeries, found: Sequence[DicomSeries]) -> DicomSeries:
    """The chosen volume with a note on each other volume of its series, and on single images that nobody chose.

    A slice of the volume may be among them, under a study or series of its own by a fault of its header.
    """
    others = [series for series in found if series.is_image and series.id != chosen.id]
    notes = [
        f"{series.frames} images of the series were left out, they are another volume ({series})"
        for series in others
        if series.uid == chosen.uid
    ]
    notes += [f"a single image beside it was left out ({series})" for series in others if series.uid != chosen.uid]
    return replace(chosen, notes=(*chosen.notes, *notes))


def _voxels(
    series: DicomSeries, dtype: DTypeLike, *, resample_uneven: bool, resample_tilt: bool
) -> tuple[NDArray[np.number], Grid, list[str]]:
    """Array (column i, row j, slice k), laid out so that turning it to (S, A, R) copies nothing; its grid and notes."""
    assert series.grid is not None
    assert series.stack is not None
    grid, notes = series.grid, list(series.notes)
    copies = 2 if resample_uneven or (resample_tilt and series.tilt) else 1
    check_need(copies * np.dtype(dtype).itemsize * float(np.prod(grid.shape, dtype=float)), series.files[0])
    memory = np.empty(grid.to_working().shape, dtype=dtype)
    array = from_working_frame(memory, grid)
    notes += read_quantities(series.slices, array.transpose(2, 1, 0))
    if resample_uneven:
        array, grid = evenly_spaced(array, grid, series.stack.places)
        notes.append(f"{series.uneven}: interpolated to {grid.shape[2]} slices, {grid.spacing[2]:.2f} mm apart")
    if resample_tilt and series.tilt:
        array, grid = orthogonal(array, grid)
        notes.append("interpolated to an orthogonal grid")
    return array, grid, notes
