"""Several volumes of one patient as the channels of one: on one grid, in a known order, some of them missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import SpatialResample

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, to_working_frame
from monai_unet.io.volume import grid_of, read_volume

ChannelFile = str | Path | tuple[str, int] | None
"""A file or DICOM folder, one volume of a 4D NIfTI file (path, index), or None: that sequence was not acquired."""

_OVERLAP = 0.5
"""Share of the smaller field of view that two sequences must have in common to be of one examination."""

_GIVEN = "given_channels"


def stack_channels(volumes: Sequence[MetaTensor]) -> MetaTensor:
    """Join volumes (1, S, A, R) of one grid to (C, S, A, R) with the metadata of the first.

    Raises:
        InputError: two volumes lie on different grids.
    """
    first = volumes[0]
    if len(volumes) == 1:
        return first
    for other in volumes[1:]:
        if not grid_of(first).matches(grid_of(other), tolerance=0.1):
            raise InputError(
                f"{other.meta['filename_or_obj']} lies on another grid than {first.meta['filename_or_obj']}; "
                "resample one onto the other first."
            )
    return MetaTensor(torch.cat([v.as_tensor() for v in volumes]), meta=dict(first.meta))


def read_channels(files: Sequence[ChannelFile]) -> MetaTensor:
    """One case of several sequences as a MetaTensor (C, S, A, R); a sequence that is None becomes a channel of zeros.

    The first sequence given is the reference: the others are resampled onto its grid (linear) where their frames of
    reference agree, which `meta["notes"]` says. `meta["given_channels"]` holds the indices of those given.

    Raises:
        InputError: none given, one cannot be read, or grids differ and the frames of reference are not known to agree.
    """
    volumes = {index: _read(file) for index, file in enumerate(files) if file is not None and str(file)}
    if not volumes:
        raise InputError("no sequence was given; name at least one file.")
    reference = next(iter(volumes.values()))
    notes = [str(reference.meta.get("notes") or "")]
    data = torch.zeros((len(files), *reference.shape[1:]), dtype=torch.float32)
    for index, volume in volumes.items():
        placed, note = onto_grid(volume, reference)
        data[index] = placed.as_tensor()[0]
        notes.append(note)
    meta = {**reference.meta, "notes": " ".join(filter(None, notes)), _GIVEN: list(volumes)}
    return MetaTensor(data, meta=meta)


def given_channels(image: MetaTensor) -> list[int]:
    """Indices of the channels that were given, all where the image does not say."""
    return [int(index) for index in image.meta.get(_GIVEN, range(len(image)))]


def onto_grid(volume: MetaTensor, reference: MetaTensor) -> tuple[MetaTensor, str]:
    """A volume (1, S, A, R) on the grid of another sequence of the same examination, and a note if it was resampled.

    Frames of reference agree where DICOM states one UID for both, or both NIfTI files state the same coordinate system
    (scanner, Talairach, MNI, …), and the fields of view overlap.

    Raises:
        InputError: grids differ and the frames of reference are not known to agree.
    """
    grid, wanted = grid_of(volume), grid_of(reference)
    if grid.matches(wanted, tolerance=0.1):
        return volume, ""
    name, other = volume.meta["filename_or_obj"], reference.meta["filename_or_obj"]
    mine, theirs = frame_of_reference(volume), frame_of_reference(reference)
    if not mine or mine != theirs:
        raise InputError(
            f"{name} lies on another grid than {other} and their frames of reference are not known to agree; register "
            "one to the other first."
        )
    if _overlap(grid, wanted) < _OVERLAP:
        raise InputError(f"{name} and {other} show different parts of the body; give sequences of one examination.")
    resample = SpatialResample(mode="bilinear", padding_mode="zeros")
    placed: Any = resample(volume, dst_affine=torch.as_tensor(wanted.affine), spatial_size=wanted.shape)
    return placed, f"{name} was resampled onto the grid of {other}."


def frame_of_reference(volume: MetaTensor) -> str:
    """What a volume's coordinates refer to: a DICOM UID, or the coordinate system of a NIfTI file; "" if unknown."""
    stated = str(volume.meta.get("frame_of_reference_uid") or "")
    if stated:
        return stated
    path = Path(str(volume.meta.get("filename_or_obj", "")))
    if not path.name.lower().endswith((".nii", ".nii.gz")) or not path.is_file():
        return ""
    header: Any = nib.load(path).header
    code = int(header["sform_code"]) or int(header["qform_code"])
    return f"NIfTI coordinate system {code}" if code else ""


def _read(file: Any) -> MetaTensor:
    return read_volume(file) if isinstance(file, str | Path) else _read_of_series(*file)


def _read_of_series(path: str, index: int) -> MetaTensor:
    """One volume of a 4D NIfTI file, as the Decathlon stores the sequences of a brain."""
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist; check the path.")
    image: Any = nib.load(path)
    if image.ndim != 4 or index >= image.shape[3]:
        raise InputError(f"{path} has shape {image.shape}; a 4D file with at least {index + 1} volumes is needed.")
    grid = Grid(tuple(int(n) for n in image.shape[:3]), np.asarray(image.affine, dtype=float))  # type: ignore[arg-type]
    array = np.asarray(image.dataobj[..., index], dtype=np.float32)
    working, working_grid = to_working_frame(array, grid)
    meta = {
        "affine": torch.as_tensor(working_grid.affine),
        "original_affine": torch.as_tensor(grid.affine),
        "spatial_shape": np.asarray(grid.shape),
        "filename_or_obj": path,
        "notes": "",
    }
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(working)[None]), meta=meta)


def _overlap(one: Grid, other: Grid) -> float:
    """Volume that two fields of view share, as boxes along the world axes, relative to the smaller one."""
    (low, high), (low2, high2) = _bounds(one), _bounds(other)
    shared = np.prod(np.clip(np.minimum(high, high2) - np.maximum(low, low2), 0, None))
    return float(shared / min(np.prod(high - low), np.prod(high2 - low2)))


def _bounds(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    corners = np.array(np.meshgrid(*((-0.5, n - 0.5) for n in grid.shape))).reshape(3, -1)
    world = grid.affine[:3, :3] @ corners + grid.affine[:3, 3:]
    return world.min(axis=1), world.max(axis=1)
