"""Several volumes of one patient as the channels of one: on one grid, in a known order, some of them missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from monai_unet.errors import InputError
from monai_unet.geometry import SAME, grid_of, meta_of, onto_grid, to_working_frame
from monai_unet.io.formats import coordinate_system, read_one_of_several
from monai_unet.io.notes import NOTES, joined_notes, notes_of
from monai_unet.io.volume import read_volume

ChannelFile = str | Path | tuple[str, int] | None
"""A file or DICOM folder, one volume of a 4D NIfTI file (path, index), or None: that sequence was not acquired."""

_OVERLAP = 0.5
"""Share of the smaller field of view that two sequences must have in common to be of one examination."""

_GIVEN = "given_channels"


def stack_channels(volumes: Sequence[MetaTensor]) -> MetaTensor:
    """Join volumes (1, S, A, R) of one grid to (C, S, A, R) with the metadata of the first and the notes of all.

    Voxels keep their intensities and type.

    Raises:
        InputError: two volumes lie on different grids.
    """
    first = volumes[0]
    if len(volumes) == 1:
        return first
    for other in volumes[1:]:
        if not grid_of(first).matches(grid_of(other), tolerance=SAME):
            raise InputError(
                f"{other.meta['filename_or_obj']} lies on another grid than {first.meta['filename_or_obj']}; "
                "resample one onto the other first."
            )
    meta = {**first.meta, NOTES: joined_notes(volume.meta for volume in volumes)}
    return MetaTensor(torch.cat([v.as_tensor() for v in volumes]), meta=meta)


def read_channels(files: Sequence[ChannelFile]) -> MetaTensor:
    """One case of several sequences as a MetaTensor (C, S, A, R); a sequence that is None becomes a channel of zeros.

    The first sequence given is the reference: the others are interpolated onto its grid where their frames of
    reference agree, which `meta["notes"]` says. `meta["given_channels"]` holds the indices of those given.

    Raises:
        InputError: none given, one cannot be read, or grids differ and the frames of reference are not known to agree.
    """
    volumes = {index: _read(file) for index, file in enumerate(files) if file is not None and str(file)}
    if not volumes:
        raise InputError("no sequence was given; name at least one file.")
    reference = next(iter(volumes.values()))
    notes = list(notes_of(reference.meta))
    data = torch.zeros((len(files), *reference.shape[1:]), dtype=torch.float32)
    for index, volume in volumes.items():
        placed, note = place_onto(volume, reference)
        data[index] = placed.as_tensor()[0]
        notes += [*notes_of(volume.meta), note]
    meta = {**reference.meta, NOTES: tuple(dict.fromkeys(filter(None, notes))), _GIVEN: list(volumes)}
    return MetaTensor(data, meta=meta)


def given_channels(image: MetaTensor) -> list[int]:
    """Indices of the channels that were given, all where the image does not say.

    Image (C, S, A, R).
    """
    return [int(index) for index in image.meta.get(_GIVEN, range(len(image)))]


class UnrelatedFramesError(InputError):
    """Two images lie on different grids, and nothing says that their coordinates mean the same places."""


def place_onto(volume: MetaTensor, reference: MetaTensor, *, insist: bool = False) -> tuple[MetaTensor, str]:
    """A volume (C, S, A, R) on the grid of another image of the same examination, and a note if it was interpolated.

    Frames of reference agree where DICOM states one UID for both, or both NIfTI files state the same coordinate system
    (scanner, Talairach, MNI, …). The command line, bundles and the napari plugin all go by this rule.

    Intensities are interpolated linearly, grids are in RAS mm.

    Args:
        volume, reference: as `read_volume` gives them.
        insist: interpolate although the frames of reference are not known to agree, because the user says that they
            do; the note says so too.

    Raises:
        UnrelatedFramesError: grids differ and the frames of reference are not known to agree.
        InputError: the fields of view hardly overlap.
    """
    grid, wanted = grid_of(volume), grid_of(reference)
    if grid.matches(wanted, tolerance=SAME):
        return volume, ""
    name, other = _name(volume), _name(reference)
    mine, theirs = frame_of_reference(volume), frame_of_reference(reference)
    related = bool(mine) and mine == theirs
    if not related and not insist:
        raise UnrelatedFramesError(
            f"{name} lies on another grid than {other} and their frames of reference are not known to agree; register "
            "one to the other first."
        )
    if grid.shared(wanted) < _OVERLAP:
        raise InputError(f"{name} and {other} show different parts of the body; give sequences of one examination.")
    note = f"{name} was interpolated onto the grid of {other}"
    if not related:
        note += ", at the user's word: their frames of reference are not known to agree"
    return onto_grid(volume, wanted), f"{note}."


def frame_of_reference(volume: MetaTensor) -> str:
    """What a volume's coordinates refer to: a DICOM UID, or the coordinate system of a NIfTI file; "" if unknown.

    Volume (C, S, A, R); its coordinates are RAS mm.
    """
    stated = str(volume.meta.get("frame_of_reference_uid") or "")
    if stated:
        return stated
    path = Path(str(volume.meta.get("filename_or_obj", "")))
    if not path.name.lower().endswith((".nii", ".nii.gz")) or not path.is_file():
        return ""
    code = coordinate_system(path)
    return f"NIfTI coordinate system {code}" if code else ""


def _read(file: str | Path | tuple[str, int]) -> MetaTensor:
    return read_volume(file) if isinstance(file, str | Path) else _read_of_series(*file)


def _read_of_series(path: str, index: int) -> MetaTensor:
    """One volume of a 4D NIfTI file, as the Decathlon stores the sequences of a brain."""
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist; check the path.")
    array, grid, notes = read_one_of_several(Path(path), index)
    working, working_grid = to_working_frame(array.astype(np.float32), grid)
    meta = {**meta_of(working_grid, of_file=grid), "filename_or_obj": path, NOTES: notes}
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(working)[None]), meta=meta)


def _name(volume: MetaTensor) -> str:
    return str(volume.meta.get("filename_or_obj", "an image"))
