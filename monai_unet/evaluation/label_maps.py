"""Label maps from files: whole numbers, 0 or higher, on a grid that is the other's grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.evaluation.overlap import HIGHEST_LABEL
from monai_unet.geometry import Grid, grid_of, to_working_frame
from monai_unet.io import StoredSegmentation, find_series, njit
from monai_unet.io.dicom import choose_series, is_dicom, kind_of, read_rtstruct, read_seg
from monai_unet.io.formats import format_of

_SAME_VOXEL = 0.01
"""Largest distance between partner voxels, as a share of the voxel edge, of what counts as one grid."""


class LabelMap(NamedTuple):
    """A label map from a file.

    Attributes:
        labels: (S, A, R), unsigned integers.
        grid: of `labels`, RAS mm.
        notes: what was unusual about reading it, one sentence each.
    """

    labels: NDArray[np.integer]
    grid: Grid
    notes: tuple[str, ...] = ()


def read_label_map(
    path: str | Path, *, labels: Mapping[int, str] | None = None, images: str | Path = "", series: str = ""
) -> LabelMap:
    """Labels (S, A, R) of a file as unsigned integers, their grid, and notes; nothing is resampled or repaired.

    Args:
        path: NIfTI, NRRD, MetaImage, DICOM SEG or RTSTRUCT.
        labels: DICOM only, which segments are wanted, by name; each becomes its value here. None: all of them, each as
            its own number.
        images: DICOM only, the series that the segments were drawn on and whose grid they are put on.
        series: which of several there; without it the one that the file fits.

    Raises:
        InputError: the file cannot be read, or holds values that are not labels.
    """
    file = Path(path)
    if not file.exists():
        raise InputError(f"{file} does not exist; check the path.")
    if file.is_file() and is_dicom(file):
        return _read_dicom(file, labels, images, series)
    if file.is_dir():
        raise InputError(f"{file} is a folder; name the file that holds the labels.")
    # read_volume would mend NaN and cast, which for labels would hide what is wrong with them
    array, grid, notes = format_of(file).read(file)
    working, working_grid = to_working_frame(array, grid)
    return LabelMap(np.ascontiguousarray(as_labels(working, where=str(path))), working_grid, notes)


def read_probabilities(path: str | Path) -> tuple[NDArray[np.number], Grid]:
    """Voxels (S, A, R) of a file as they are, NaN too, and their grid.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file} does not exist; check the path.")
    array, grid, _ = format_of(file).read(file)
    return to_working_frame(array, grid)


def labels_in(paths: Iterable[tuple[str, str]]) -> dict[int, str]:
    """Labels that occur in label maps, given as (path, images): values without names, or names from DICOM segments.

    What cannot be read adds nothing; scoring will say why.

    Raises:
        InputError: no label map holds a label; the sentence is that of the first file that could not be read.
    """
    values: set[int] = set()
    names: set[str] = set()
    problem = InputError("No reference holds a label, so there is nothing to score; name the labels: --labels 1=liver.")
    unread: list[InputError] = []
    for path, images in paths:
        try:
            if Path(path).is_file() and is_dicom(Path(path)):
                names |= {segment.name for segment in _stored(Path(path), images)[0].segments}
            else:
                labels = read_label_map(path).labels
                values |= {int(value) for value in np.flatnonzero(np.bincount(labels.ravel())) if value}
        except InputError as error:
            unread.append(error)
    if not values and not names:
        raise next(iter(unread), problem)
    free = (value for value in range(1, HIGHEST_LABEL) if value not in values)
    return {value: f"label {value}" for value in sorted(values)} | dict(zip(free, sorted(names), strict=False))


def _read_dicom(file: Path, labels: Mapping[int, str] | None, images: str | Path, series: str) -> LabelMap:
    stored, source_notes = _stored(file, images, series)
    wanted = {name.casefold(): value for value, name in (labels or {}).items() if value != 0}
    found: NDArray[np.integer] | None = None
    for segment in stored.segments:
        mask = stored.mask(segment.number)
        if found is None:
            found, grid = np.zeros(mask.shape[1:], np.uint16), grid_of(mask)
        value = segment.number if labels is None else wanted.get(segment.name.casefold())
        if value is None:
            continue
        inside = mask[0].numpy() >= 0.5 if stored.fractional else mask[0].numpy()
        if found[inside].any():
            raise InputError(f"{file}: segment '{segment.name}' overlaps another; score them one by one (--labels).")
        found[inside] = value
    if found is None:
        raise InputError(f"{file} holds no segment; export it again.")
    return LabelMap(found, grid, tuple(dict.fromkeys([*source_notes, *stored.notes])))


def _stored(file: Path, images: str | Path, series: str = "") -> tuple[StoredSegmentation, tuple[str, ...]]:
    """A SEG or RTSTRUCT on the grid of the series below `images` that it was drawn on, and the notes of that series; a
    SEG can do without."""
    kind = kind_of(file)
    if kind not in ("seg", "rtstruct"):
        raise InputError(f"{file} is DICOM but holds no segments; name a SEG or RTSTRUCT.")
    if not images:
        if kind == "seg":
            return read_seg(file), ()
        raise InputError(f"{file} holds contours, which need the images they were drawn on; name them (--images).")
    read = read_seg if kind == "seg" else read_rtstruct
    problem = InputError(f"{images} holds no image series that {file} was drawn on; name another folder.")
    found = find_series(images)
    for source in [choose_series(found, Path(images), series)] if series else found:
        if source.grid is not None:
            try:
                return read(file, source=source), source.notes
            except InputError as error:
                problem = error
    raise problem


def labels_of(volume: MetaTensor, *, where: str) -> NDArray[np.integer]:
    """Labels (S, A, R) of a MetaTensor (1, S, A, R) as unsigned integers.

    Raises:
        InputError: more than one channel, or values that are not labels.
    """
    if volume.ndim != 4 or volume.shape[0] != 1:
        raise InputError(
            f"{where} has shape {tuple(volume.shape)}, not (1, S, A, R); turn probabilities into labels first (argmax)."
        )
    return as_labels(volume.as_tensor()[0].detach().cpu().numpy(), where=where)


def as_labels(array: NDArray[np.number] | NDArray[np.bool_], *, where: str) -> NDArray[np.integer]:
    """The same values as uint8 or uint16.

    Voxels (S, A, R).

    Raises:
        InputError: NaN, fractions, negative values, or labels above 65535.
    """
    if array.dtype in (np.uint8, bool):
        return array.view(np.uint8)
    lowest, highest, finite, whole = _range(np.asarray(array, array.dtype.newbyteorder("=")))
    if not finite:
        raise InputError(f"{where} holds NaN or infinite values; a label map of whole numbers is needed.")
    if not whole:
        raise InputError(f"{where} holds fractions (up to {highest:g}), not labels; give a label map of whole numbers.")
    if lowest < 0:
        raise InputError(f"{where} holds the negative label {lowest:g}; labels are 0 or higher.")
    if highest > HIGHEST_LABEL:
        raise InputError(f"{where} holds the label {highest:g}; labels up to {HIGHEST_LABEL} can be scored.")
    return array.astype(np.uint8 if highest <= 255 else np.uint16)


def require_same_grid(prediction: Grid, reference: Grid, *, what: str = "prediction") -> None:
    """Refuse two label maps that do not lie voxel on voxel; `what` names the first in the sentence.

    Raises:
        InputError: another shape, or partner voxels further apart than a hundredth of a voxel.
    """
    if prediction.shape != reference.shape:
        sizes = ["×".join(map(str, grid.shape)) for grid in (prediction, reference)]
        raise InputError(
            f"the {what} has {sizes[0]} voxels (S, A, R) and the reference {sizes[1]}; "
            f"resample the {what} onto the reference's grid."
        )
    if not prediction.matches(reference, tolerance=_SAME_VOXEL):
        raise InputError(
            f"{what} and reference lie up to {prediction.distance(reference):.3g} mm apart in the patient; "
            f"resample the {what} onto the reference's grid, or correct the header that is wrong."
        )


@njit(cache=True, nogil=True)
def _range(values):  # type: ignore[no-untyped-def]
    lowest, highest, finite, whole = 0.0, 0.0, True, True
    for value in values.flat:
        number = float(value)
        if not np.isfinite(number):
            finite = False
        elif number != np.floor(number):
            whole = False
        lowest = min(lowest, number)
        highest = max(highest, number)
    return lowest, highest, finite, whole
