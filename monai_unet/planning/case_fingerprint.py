"""What planning knows of one case, and reading it: once, whole, with everything that is wrong with it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.evaluation import read_label_map
from monai_unet.geometry import Grid, bounding_box, grid_of, to_working_frame
from monai_unet.io import notes_of, read_volume
from monai_unet.io.datasets import LabelledCase, LabelledSet
from monai_unet.io.dicom import is_dicom
from monai_unet.io.formats import format_of, read_one_of_several
from monai_unet.planning.intensities import ChannelInCase, channel_facts
from monai_unet.planning.label_facts import ClassInCase, class_facts, voxels_of_values

Triple = tuple[float, float, float]
Indices = tuple[int, int, int]

_SAME_VOXEL = 0.01
"""Largest distance between partner voxels, as a share of the voxel edge, of what counts as one grid."""

_MOST_VALUES = 1000
"""A map of more values than this is an image, whatever it is called."""


@dataclass(frozen=True)
class CaseFingerprint:
    """One case that was read; axes are those of the working frame (S, A, R).

    Attributes:
        name, group, site, part: as in the data set.
        shape: voxels; spacing: mm; extent: mm.
        axes: of the file, in which direction each array index grows, for example "LPS".
        channels: what each image holds.
        values: label value → voxels, the background (0) left out; empty without label.
        classes: what is marked of each class of the data set, in its order (where it states none, of each of `values`);
            empty without label.
        box: first and last + 1 voxel of what is marked, or None where nothing is.
        sha256: of the image voxels.
        notes: sentences on what was unusual about reading.
        stamp: size and modification time of each file, by which a changed data set is noticed.
    """

    name: str
    group: str
    site: str
    part: str
    shape: Indices
    spacing: Triple
    extent: Triple
    axes: str
    channels: tuple[ChannelInCase, ...]
    values: dict[int, int] = field(default_factory=dict)
    classes: tuple[ClassInCase, ...] = ()
    box: tuple[Indices, Indices] | None = None
    sha256: str = ""
    notes: tuple[str, ...] = ()
    stamp: tuple[tuple[int, int], ...] = ()

    @property
    def box_mm(self) -> Triple:
        """Extent of what is marked, mm (S, A, R); zeros where nothing is."""
        if self.box is None:
            return 0.0, 0.0, 0.0
        sizes = [(stop - start) * mm for start, stop, mm in zip(*self.box, self.spacing, strict=True)]
        return sizes[0], sizes[1], sizes[2]


@dataclass(frozen=True)
class CaseReading:
    """What reading a case gave: its fingerprint, or what is wrong with it, each as a sentence without full stop."""

    name: str
    stamp: tuple[tuple[int, int], ...]
    found: CaseFingerprint | None = None
    faults: tuple[str, ...] = ()


def stamp_of(case: LabelledCase) -> tuple[tuple[int, int], ...]:
    """Size and modification time of each file of a case; of a DICOM folder, their sum and the latest."""
    return tuple(_stamp(Path(path)) for path in (*case.images, case.label) if path)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
        if not path.is_dir():
            return state.st_size, state.st_mtime_ns
        states = [entry.stat() for entry in os.scandir(path) if entry.is_file()]
    except OSError:
        return 0, 0
    return sum(one.st_size for one in states), max((one.st_mtime_ns for one in states), default=0)


class CaseReader:
    """Reads the cases of one data set; a callable that processes can be given.

    Args:
        labelled: the data set.
    """

    def __init__(self, labelled: LabelledSet) -> None:
        self._channels = labelled.channels
        self._classes = tuple(entry.values for entry in labelled.classes)
        self._names = {value: entry.name for entry in reversed(labelled.classes) for value in entry.values}
        self._ignore = labelled.ignore

    def __call__(self, case: LabelledCase) -> CaseReading:
        """Read a case; what is wrong with it is in the result, all of it."""
        stamp = stamp_of(case)
        faults: list[str] = []
        images: list[tuple[NDArray[np.number], Grid, str, tuple[str, ...]]] = []
        labels: NDArray[np.integer] | None = None
        try:
            images = self._images(case)
        except InputError as error:
            faults.append(str(error))
        for path, image in zip(case.images[1:], images[1:], strict=False):
            faults += _another_grid(case.images[0], images[0][1], path, image[1])
        if case.label:
            try:
                labels, grid, _ = read_label_map(case.label)
                faults += _another_grid(case.images[0], images[0][1], case.label, grid) if images else []
                faults += self._unknown_values(case.label, labels)
            except InputError as error:
                faults.append(str(error))
        if stamp_of(case) != stamp:
            faults.append(f"the files of {case.name} changed while they were read; plan when they are at rest")
        if faults:
            return CaseReading(case.name, stamp, None, tuple(faults))
        return CaseReading(case.name, stamp, self._fingerprint(case, images, labels, stamp))

    def _images(self, case: LabelledCase) -> list[tuple[NDArray[np.number], Grid, str, tuple[str, ...]]]:
        """Voxels (S, A, R) of each channel as stored, grid, DICOM modality, notes."""
        if len(case.images) == 1 and len(self._channels) > 1:
            return [(*_one_of(case.images[0], n, len(self._channels)),) for n in range(len(self._channels))]
        return [_image(path) for path in case.images]

    def _unknown_values(self, path: str, labels: NDArray[np.integer]) -> list[str]:
        values = voxels_of_values(labels)
        if len(values) > _MOST_VALUES:
            return [f"{path} holds {len(values)} values, so it is an image and no label map"]
        if not self._classes:
            return []
        unknown = [value for value in values if value not in self._names and value != self._ignore]
        known = ", ".join(f"{value} {name}" for value, name in sorted(self._names.items()))
        several = f"the values {', '.join(map(str, unknown))}, which are no classes"
        said = several if len(unknown) > 1 else f"the value {unknown[0]}, which is no class" if unknown else ""
        return [f"{path} holds {said}; the classes are {known}"] if unknown else []

    def _fingerprint(
        self,
        case: LabelledCase,
        images: Sequence[tuple[NDArray[np.number], Grid, str, tuple[str, ...]]],
        labels: NDArray[np.integer] | None,
        stamp: tuple[tuple[int, int], ...],
    ) -> CaseFingerprint:
        _, grid, _, _ = images[0]
        inside = None if labels is None else labels > 0
        if inside is not None and self._ignore is not None:
            inside &= labels != self._ignore
        box = None if inside is None or not inside.any() else bounding_box(inside)
        digest = hashlib.sha256()
        channels = []
        for voxels, _, modality, _ in images:
            facts, as_read = channel_facts(voxels, inside, modality)
            digest.update(repr(as_read.shape).encode() + as_read.tobytes())
            channels.append(facts)
        values = {} if labels is None else voxels_of_values(labels)
        classes = self._classes or tuple((value,) for value in values)
        return CaseFingerprint(
            name=case.name,
            group=case.group,
            site=case.site,
            part=case.part,
            shape=_three(grid.shape),
            spacing=tuple(round(mm, 6) for mm in grid.spacing),  # type: ignore[arg-type]
            extent=tuple(round(n * mm, 3) for n, mm in zip(grid.shape, grid.spacing, strict=True)),  # type: ignore[arg-type]
            axes=_axes_of(case.images[0]),
            channels=tuple(channels),
            values=values,
            classes=() if labels is None else class_facts(labels, classes, grid.voxel_ml),
            box=None if box is None else (_three([s.start for s in box]), _three([s.stop for s in box])),
            sha256=digest.hexdigest(),
            notes=tuple(dict.fromkeys(note for *_, notes in images for note in notes)),
            stamp=stamp,
        )


def _three(values: Sequence[int]) -> Indices:
    return int(values[0]), int(values[1]), int(values[2])


def _image(path: str) -> tuple[NDArray[np.number], Grid, str, tuple[str, ...]]:
    file = Path(path)
    if not file.exists():
        raise InputError(f"{file} does not exist; check the path.")
    if file.is_dir() or file.suffix.lower() == ".zip" or is_dicom(file):
        volume = read_volume(file)
        return volume[0].numpy(), grid_of(volume), str(volume.meta.get("modality", "")), tuple(notes_of(volume.meta))
    array, grid, notes = format_of(file).read(file)
    working, working_grid = to_working_frame(array, grid)
    return working, working_grid, "", tuple(notes)


def _one_of(path: str, index: int, count: int) -> tuple[NDArray[np.number], Grid, str, tuple[str, ...]]:
    """One channel of a file that holds them all."""
    if index == 0:
        shape = tuple(nib.load(path).shape)  # type: ignore[attr-defined]
        if len(shape) != 4 or shape[3] != count:
            text = "×".join(map(str, shape))
            raise InputError(f"{path} has shape {text}, where one file must hold the {count} channels of the data set.")
    array, grid, notes = read_one_of_several(Path(path), index)
    working, working_grid = to_working_frame(array, grid)
    return working, working_grid, "", tuple(notes)


def _axes_of(path: str) -> str:
    """Directions of the array axes in a file; empty for DICOM, which has none of its own."""
    file = Path(path)
    if file.is_dir() or is_dicom(file) or file.suffix.lower() == ".zip":
        return ""
    if file.name.lower().endswith((".nii", ".nii.gz")):
        return "".join(str(code) for code in nib.aff2axcodes(nib.load(path).affine))  # type: ignore[attr-defined]
    return format_of(file).read_grid(file)[0].orientation


def _another_grid(image: str, grid: Grid, other: str, other_grid: Grid) -> list[str]:
    if grid.shape != other_grid.shape:
        sizes = ["×".join(map(str, g.shape)) for g in (grid, other_grid)]
        return [f"{image} has {sizes[0]} voxels (S, A, R) and {other} {sizes[1]}; put both on one grid"]
    if not grid.matches(other_grid, tolerance=_SAME_VOXEL):
        return [
            f"{image} and {other} lie up to {grid.distance(other_grid):.3g} mm apart in the patient; one of the "
            "headers is wrong, perhaps its orientation"
        ]
    return []
