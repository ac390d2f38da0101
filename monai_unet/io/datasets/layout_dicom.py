"""DICOM studies with RTSTRUCT or SEG: each drawn object is a case with the series it was drawn on."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.io.datasets.labelled import Draft, LabelClass, LabelledCase
from monai_unet.io.datasets.structures import StructureTable
from monai_unet.io.dicom import (
    DicomSeries,
    FileHeader,
    by_patient,
    find_series,
    kind_of,
    read_headers,
    read_rtstruct,
    read_seg,
    read_series,
)
from monai_unet.io.formats import LabelEntry
from monai_unet.io.results import StoredSegmentation
from monai_unet.io.volume import read_volume, write_label_map, write_volume

_OVERLAP = 0.05
"""Share of the smaller of two classes that both may cover; contours of neighbours meet in some voxels."""


@dataclass(frozen=True)
class _Drawn:
    """One RTSTRUCT or SEG file, and the series it was drawn on; the patient's identity stays in the files."""

    path: Path
    kind: str
    series: DicomSeries
    header: FileHeader


def is_dicom_tree(root: Path) -> bool:
    """Whether a folder holds RTSTRUCT or SEG objects."""
    headers, _ = read_headers(root)
    return any(True for _ in _results(headers))


def read_dicom_tree(root: Path, image: Sequence[str], table: StructureTable, masks: Path) -> Draft:
    """Draw the masks of all RTSTRUCT and SEG objects below a folder, and list them with their series.

    Args:
        image: modality (CT, MR, PT) of the series, where objects were drawn on several.
        table: structure → class; empty: all objects must name the same structures, and these are the classes.
        masks: folder that the masks are written into, as `<case>.nii.gz`; images of series that share a folder with
            others too.

    Raises:
        InputError: several modalities and none is named, or structures that no table names.
    """
    draft = Draft(root.resolve().name, "DICOM", root)
    drawn = _of_modality(root, list(_drawn(draft, root)), image)
    draft.channels = (drawn[0].series.modality,) if drawn else ("image",)
    named = {one.path: _stored(draft, one) for one in drawn}
    structures = {path: stored for path, stored in named.items() if stored is not None}
    table = table or _alike(root, structures)
    classes = list(dict.fromkeys(table.values()))
    draft.classes = tuple(LabelClass(name, (value,)) for value, name in enumerate(classes, 1))
    for one, name, group in _named_cases(root, drawn):
        if one.path in structures:
            draft.cases += _case(draft, one, structures[one.path], (name, group), table, classes, masks)
    left = sorted({s.name for stored in structures.values() for s in stored.segments} - _named(structures, table))
    if left:
        draft.notes.append(f"Structures that no class names are not used: {', '.join(left[:10])}.")
    return draft


def _results(headers: Sequence[FileHeader]) -> Iterator[tuple[FileHeader, str]]:
    for header in headers:
        if str(header.dataset.get("Modality", "")) in ("RTSTRUCT", "SEG"):
            kind = kind_of(header.path)
            if kind in ("rtstruct", "seg"):
                yield header, kind


def _named_cases(root: Path, drawn: Sequence[_Drawn]) -> list[tuple[_Drawn, str, str]]:
    """Name and group of each case from the folder below the root: no name or number of a patient leaves the headers."""
    tops = [Path(os.path.relpath(one.path, root)).parts for one in drawn]
    stems = [re.sub(r"[^A-Za-z0-9.-]+", "_", parts[0]).strip("_.") if len(parts) > 1 else "case" for parts in tops]
    times, seen = Counter(stems), Counter[str]()
    names = []
    for stem in stems:
        seen[stem] += 1
        names.append(f"{stem}_{seen[stem]}" if times[stem] > 1 or stem == "case" else stem)
    groups = dict[int, str]()
    for members in by_patient([one.header.patient for one in drawn]):
        first = members[0]
        groups |= dict.fromkeys(members, stems[first] if times[stems[first]] == len(members) else names[first])
    return [(one, name, groups[index]) for index, (one, name) in enumerate(zip(drawn, names, strict=True))]


def _drawn(draft: Draft, root: Path) -> Iterator[_Drawn]:
    headers, _ = read_headers(root)
    images = [series for series in find_series(root) if series.is_image and series.grid is not None]
    for header, kind in sorted(_results(headers), key=lambda found: found[0].path):
        path, study = header.path, str(header.dataset.get("StudyInstanceUID", ""))
        fitting = []
        reasons = []
        for series in images:
            if series.problems or series.study_uid != study:
                continue
            try:
                stored = (read_rtstruct if kind == "rtstruct" else read_seg)(path, source=series)
            except InputError as error:
                reasons.append(str(error))
                continue
            if stored.referenced_series in ("", series.uid):
                fitting.append(series)
        if len(fitting) == 1:
            yield _Drawn(path, kind, fitting[0], header)
        elif fitting:
            draft.faults.append(f"{path} may have been drawn on any of {len(fitting)} series, and does not say which")
        else:
            why = f" ({reasons[0].rstrip('.')})" if reasons else ""
            draft.faults.append(f"{path} was drawn on a series that is not below {root} or cannot be read{why}")


def _of_modality(root: Path, drawn: Sequence[_Drawn], image: Sequence[str]) -> list[_Drawn]:
    modalities = Counter(one.series.modality for one in drawn)
    wanted = image[0].upper() if image else next(iter(modalities), "")
    if len(image) > 1 or (drawn and wanted not in modalities) or (len(modalities) > 1 and not image):
        there = ", ".join(f"{modality} ({count})" for modality, count in sorted(modalities.items()))
        raise InputError(f"{root} holds contours on {there}; name one modality with image.")
    return [one for one in drawn if one.series.modality == wanted]


def _stored(draft: Draft, one: _Drawn) -> StoredSegmentation | None:
    try:
        return (read_rtstruct if one.kind == "rtstruct" else read_seg)(one.path, source=one.series)
    except InputError as error:
        draft.faults.append(str(error))
        return None


def _alike(root: Path, structures: Mapping[Path, StoredSegmentation]) -> StructureTable:
    """The table of structures that all objects name alike."""
    sets = [{s.name.strip().casefold(): s.name for s in stored.segments} for stored in structures.values()]
    if sets and all(found.keys() == sets[0].keys() for found in sets):
        return dict(sets[0])
    times = Counter(name for found in sets for name in found.values())
    there = ", ".join(f"{name} ({count})" for name, count in times.most_common(20))
    raise InputError(
        f"{root} names structures that are not the same in each of the {len(sets)} objects: {there}; give structures, "
        "a table of each class and its names."
    )


def _named(structures: Mapping[Path, StoredSegmentation], table: StructureTable) -> set[str]:
    return {s.name for stored in structures.values() for s in stored.segments if s.name.strip().casefold() in table}


def _case(
    draft: Draft,
    one: _Drawn,
    stored: StoredSegmentation,
    name_and_group: tuple[str, str],
    table: StructureTable,
    classes: Sequence[str],
    masks: Path,
) -> Iterator[LabelledCase]:
    name, group = name_and_group
    try:
        labels = _label_map(draft, one.path, stored, table, classes)
        volume = read_series(one.series.files[0].parent, series=one.series.id)
        if tuple(volume.shape[1:]) != labels.shape:
            raise InputError(f"{one.path} does not lie on the voxels of its series")
        entries = {value: LabelEntry(entry) for value, entry in enumerate(classes, 1)}
        mask = masks / f"{name}.nii.gz"
        _write_once(labels, mask, lambda: write_label_map(labels, mask, like=volume.meta, table=entries))
        image = str(one.series.files[0].parent)
        if not _alone(one.series):
            file = masks / "images" / f"{name}.nii.gz"
            _write_once(volume.numpy()[0], file, lambda: write_volume(volume, file))
            image = str(file)
    except InputError as error:
        draft.faults.append(str(error))
        return
    yield LabelledCase(name, (os.path.abspath(image),), os.path.abspath(mask), group)


def _label_map(
    draft: Draft, path: Path, stored: StoredSegmentation, table: StructureTable, classes: Sequence[str]
) -> NDArray[np.integer]:
    """Labels (S, A, R); where two classes meet in some voxels the later one has them."""
    found: dict[str, NDArray[np.bool_]] = {}
    for segment in stored.segments:
        wanted = table.get(segment.name.strip().casefold())
        if wanted is not None:
            mask = stored.mask(segment.number)[0].numpy() >= 0.5
            found[wanted] = found[wanted] | mask if wanted in found else mask
    if not found:
        names = ", ".join(segment.name for segment in stored.segments)
        raise InputError(f"{path} holds none of the structures that the table names, but {names or 'none at all'}")
    kind = np.uint8 if len(classes) < 256 else np.uint16
    labels: NDArray[np.integer] = np.zeros(next(iter(found.values())).shape, kind)
    shared: dict[str, int] = defaultdict(int)
    for value, name in enumerate(classes, 1):
        mask = found.get(name, np.zeros(labels.shape, bool))
        for other in np.unique(labels[mask]):
            both = int(np.count_nonzero(labels[mask] == other))
            smaller = min(int(mask.sum()), int(np.count_nonzero(labels == other)))
            if other and both > _OVERLAP * smaller:
                raise InputError(
                    f"in {path}, {classes[other - 1]} and {name} overlap in {both} voxels, which no label map can hold"
                )
            if other:
                shared[f"{classes[other - 1]} and {name}"] += both
        labels[mask] = value
    draft.notes += [f"{path}: {pair} share {count} voxels, which the second has." for pair, count in shared.items()]
    return labels


def _write_once(array: NDArray[np.number], path: Path, write: object) -> None:
    """Leave a file that already holds these voxels as it is, so that a plan made of it does not look changed."""
    if path.is_file():
        try:
            if np.array_equal(read_volume(path).numpy()[0], array):
                return
        except InputError:
            pass
    path.parent.mkdir(parents=True, exist_ok=True)
    assert callable(write)
    write()


def _alone(series: DicomSeries) -> bool:
    """Whether the folder of a series holds nothing else that is an image."""
    folder = series.files[0].parent
    if any(file.parent != folder for file in series.files):
        return False
    others = [found for found in find_series(folder) if found.is_image]
    return len(others) == 1 and others[0].id == series.id
