"""Image, reference and first mask of a benchmark case, checked to lie voxel on voxel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.evaluation.label_maps import read_label_map
from monai_unet.evaluation.pairs import label_names
from monai_unet.geometry import Grid, grid_of
from monai_unet.interaction.session import values_in
from monai_unet.io import dataset_cases, notes_of, read_dataset, read_volume
from monai_unet.io.datasets import unique_names

_SAME_VOXEL = 0.01


@dataclass(frozen=True, eq=False)
class ClickCase:
    """One image (S, A, R) with its label maps on the same grid; `initial` is None where there is none; `notes` say what
    was unusual about reading them."""

    image: NDArray[np.number]
    grid: Grid
    reference: NDArray[np.integer]
    initial: NDArray[np.integer] | None = None
    notes: tuple[str, ...] = ()

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml."""
        return prod(self.grid.spacing) / 1000

    def values(self) -> list[int]:
        """The labels of the reference."""
        return values_in(self.reference)

    def object_mask(self, values: Sequence[int] | None) -> NDArray[np.bool_]:
        """The voxels of these labels, of all without any.

        Raises:
            InputError: there are none.
        """
        mask: NDArray[np.bool_] = self.reference > 0 if values is None else np.isin(self.reference, values)
        if not mask.any():
            what = "is empty" if values is None else f"holds no label {', '.join(map(str, values))}"
            raise InputError(f"The reference {what}, so there is nothing to click at; choose another case or label.")
        return mask

    def initial_mask(self, values: Sequence[int] | None) -> NDArray[np.bool_] | None:
        """The mask to begin with: these labels of the initial label map, all of them where it has one label only."""
        if self.initial is None:
            return None
        if values is None or self.initial.max(initial=0) <= 1:
            return np.asarray(self.initial > 0)
        return np.isin(self.initial, values)


@dataclass(frozen=True)
class CaseFiles:
    """The files of a case of a data set, and the names of its labels."""

    name: str
    image: str
    reference: str
    initial: str
    labels: Mapping[int, str]
    series: str = ""

    def read(self) -> ClickCase:
        """Read them; see `read_case`."""
        return read_case(self.image, self.reference, initial=self.initial, series=self.series)


def read_case(image: str | Path, reference: str | Path, *, initial: str | Path = "", series: str = "") -> ClickCase:
    """Read a case; `series` chooses one of several DICOM series of the image.

    Raises:
        InputError: a file cannot be read, the image has several channels, or the grids differ.
    """
    volume = read_volume(image, series=series or None)
    if volume.shape[0] != 1:
        raise InputError(f"{image} has {volume.shape[0]} channels; give one of them.")
    grid = grid_of(volume)
    labels, labels_grid, of_reference = read_label_map(reference, images=image, series=series)
    _require_same(grid, labels_grid, image, reference)
    notes = [f"image: {note}" for note in notes_of(volume.meta)]
    notes += [f"reference: {note}" for note in of_reference]
    first = None
    if initial:
        first, first_grid, of_initial = read_label_map(initial, images=image, series=series)
        _require_same(grid, first_grid, image, initial)
        notes += [f"initial mask: {note}" for note in of_initial]
    return ClickCase(volume[0].numpy(), grid, labels, first, tuple(notes))


def list_cases(dataset: str | Path, key: str, *, initial: str | Path = "") -> Iterator[CaseFiles]:
    """The cases of one list of a data set; of several channels the first is taken.

    Raises:
        InputError: no such data set or list, or a case has no mask in `initial`.
    """
    entries = dataset_cases(dataset, key)
    labels = {value: name for value, name in (label_names(read_dataset(dataset)) or {}).items() if value}
    images = [entry["image"][0] if isinstance(entry["image"], list) else entry["image"] for entry in entries]
    for name, image, entry in zip(unique_names(images), images, entries, strict=True):
        start = ""
        if initial:
            found = sorted(path for path in Path(initial).glob(f"{name}.*") if path.is_file())
            if not found:
                raise InputError(f"{initial} holds no mask named {name}; add it.")
            start = str(found[0])
        yield CaseFiles(name, str(image), str(entry["label"]), start, labels, str(entry.get("series") or ""))


def _require_same(grid: Grid, other: Grid, image: str | Path, labels: str | Path) -> None:
    if grid.shape != other.shape:
        sizes = ["×".join(map(str, g.shape)) for g in (grid, other)]
        raise InputError(
            f"{image} has {sizes[0]} voxels (S, A, R) and {labels} {sizes[1]}; put the mask on the image's grid."
        )
    if not grid.matches(other, tolerance=_SAME_VOXEL):
        raise InputError(
            f"{image} and {labels} lie up to {grid.distance(other):.3g} mm apart in the patient; one of the headers "
            "is wrong, perhaps its orientation: correct it."
        )
