"""What a path given by the user stands for: the cases below it."""

from __future__ import annotations

import logging
import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.dicom import NOT_IMAGES, FileHeader, by_patient, is_dicom, read_headers
from monai_unet.io.formats import VOLUME_SUFFIXES
from monai_unet.io.volume import case_name

logger = logging.getLogger(__name__)

_SEGMENTATIONS = ("SEG", "RTSTRUCT")


def find_cases(path: str | Path) -> list[dict[str, str]]:
    """One dictionary `{"image": path, "name": unique name}` per case.

    A file (volume, zip, DICOMDIR, DICOM) is one case. In a folder each volume and each zip is one, and so is each
    folder, at any depth, that holds DICOM images; folders that share a series are one case, as exports begin a new
    folder after some number of images. Where the images of a case do not have a folder for themselves the dictionary
    has the key "series" too, for `read_volume`. A folder that is passed over is named in a warning.

    Raises:
        InputError: nothing there, or nothing that is a volume.
    """
    path = Path(path)
    if path.is_file():
        return _named([_Case(path)], path.parent)
    if not path.is_dir():
        raise InputError(f"{path} does not exist; check the path.")
    if (path / "DICOMDIR").is_file():
        return _named([_Case(path)], path.parent)
    found = [_Case(file) for file in volume_files(path)]
    dicom, passed_over = _dicom_cases(path)
    found += dicom
    passed_over += passed_over_files(path)
    if not found:
        more = f" ({'; '.join(passed_over[:3])})" if passed_over else ""
        raise InputError(f"{path} holds no volume: no DICOM image, and no file of {', '.join(VOLUME_SUFFIXES)}{more}.")
    for sentence in passed_over:
        logger.warning("%s", sentence)
    return _named(found, path)


def find_results(folder: str | Path) -> list[dict[str, str]]:
    """One dictionary `{"image": path, "name": unique name}` per label map in a folder.

    Each volume file is one, and so is each DICOM SEG or RTSTRUCT, at any depth; the only one of a sub-folder is called
    as the folder. What is passed over is named in a warning.

    Raises:
        InputError: no such folder, or no label map in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; name the folder that holds one file per case.")
    headers, damaged = read_headers(root)
    results = [header.path for header in headers if header.dataset.get("Modality") in _SEGMENTATIONS]
    # a damaged file makes a case that fails by name
    results += [item.path for item in damaged]
    alone = Counter(path.parent for path in results)
    files = volume_files(root)
    found = [_Case(file) for file in files if not _is_zip(file)]
    for path in sorted(results):
        own = case_name(path.parent) if alone[path.parent] == 1 else f"{case_name(path.parent)}_{case_name(path)}"
        found.append(_Case(path, name="" if path.parent == root else own))
    rest = _kinds([header for header in headers if header.path not in set(results)])
    passed_over = [f"{place} was passed over: it holds {kinds} and no SEG or RTSTRUCT" for place, kinds in rest.items()]
    passed_over += [f"{file} was passed over; unpack it to score what it holds" for file in files if _is_zip(file)]
    passed_over += passed_over_files(root)
    if not found:
        more = f" ({'; '.join(passed_over[:3])})" if passed_over else ""
        raise InputError(
            f"{root} holds no label map ({', '.join(VOLUME_SUFFIXES)}, DICOM SEG or RTSTRUCT){more}; name another "
            "folder."
        )
    for sentence in passed_over:
        logger.warning("%s", sentence)
    return _named(found, root)


def volume_files(folder: Path) -> list[Path]:
    """Volume files and zips that lie in a folder itself."""
    return sorted(p for p in _visible(folder) if p.is_file() and _is_volume(p))


@dataclass(frozen=True)
class _Case:
    path: Path
    series: str = ""
    name: str = ""


@dataclass
class _Group:
    """Folders that share series; what was found damaged in them belongs to no series."""

    folders: set[Path] = field(default_factory=set)
    series: set[tuple[str, str, int]] = field(default_factory=set)


def _dicom_cases(root: Path) -> tuple[list[_Case], list[str]]:
    headers, damaged = read_headers(root)
    groups: list[_Group] = []
    for key, members in _by_series([header for header in headers if _is_image(header)]).items():
        _join(groups, _Group({header.path.parent for header in members}, {key}))
    for item in damaged:
        # a damaged file makes a case that fails by name, not one that is passed over
        _join(groups, _Group({item.path.parent}))
    groups.sort(key=lambda group: min(group.folders))
    taken = {folder for group in groups for folder in group.folders}
    cases = [_case_of(group, taken) for group in groups]
    rest = _kinds([header for header in headers if header.path.parent not in taken])
    return cases, [f"{folder} was passed over: it holds {kinds} and no image" for folder, kinds in rest.items()]


def _kinds(headers: Sequence[FileHeader]) -> dict[Path, str]:
    """What folders hold, in words."""
    found: dict[Path, set[str]] = {}
    for header in headers:
        if "DirectoryRecordSequence" not in header.dataset:
            kind = str(header.dataset.get("Modality") or "DICOM without an image")
            found.setdefault(header.path.parent, set()).add(kind)
    return {folder: ", ".join(sorted(kinds)) for folder, kinds in found.items()}


def _is_image(header: FileHeader) -> bool:
    """Whether a file is an image, and not a report or a mask about images, or the directory of a disc."""
    dataset = header.dataset
    return "Rows" in dataset and "DirectoryRecordSequence" not in dataset and dataset.get("Modality") not in NOT_IMAGES


def _by_series(headers: Sequence[FileHeader]) -> dict[tuple[str, str, int], list[FileHeader]]:
    """Images by study, series and patient, as careless anonymisers give two patients one series."""
    by_uid: dict[tuple[str, str], list[FileHeader]] = {}
    for header in headers:
        key = str(header.dataset.get("StudyInstanceUID", "")), str(header.dataset.get("SeriesInstanceUID", ""))
        by_uid.setdefault(key, []).append(header)
    return {
        (*key, n): [members[index] for index in patient]
        for key, members in by_uid.items()
        for n, patient in enumerate(by_patient([header.patient for header in members]))
    }


def _join(groups: list[_Group], new: _Group) -> None:
    """Add a group, together with those that it shares a folder with."""
    for group in [group for group in groups if group.folders & new.folders]:
        new = _Group(new.folders | group.folders, new.series | group.series)
        groups.remove(group)
    groups.append(new)


def _case_of(group: _Group, taken: set[Path]) -> _Case:
    folder = Path(os.path.commonpath(group.folders))
    below = {other for other in taken if other == folder or folder in other.parents}
    if below == group.folders or len(group.series) != 1:
        return _Case(folder)
    ((_, uid, _),) = group.series
    return _Case(folder, uid)


def passed_over_files(root: Path) -> list[str]:
    """A sentence on each sub-folder with volume files: those of a named folder are cases, those below are not."""
    return [
        f"{folder} was passed over: its {len(files)} volume files do not lie in {root} itself; name it to use them"
        for folder in _folders(root)
        if folder != root and (files := volume_files(folder))
    ]


def _visible(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def _folders(path: Path) -> Iterator[Path]:
    yield path
    for child in _visible(path):
        if child.is_dir() and not child.is_symlink():
            yield from _folders(child)


def _is_volume(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(VOLUME_SUFFIXES):
        return not is_dicom(path)
    return _is_zip(path) and zipfile.is_zipfile(path)


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _named(cases: Sequence[_Case], root: Path) -> list[dict[str, str]]:
    """File or folder names, with the folders above where two are the same."""
    names = [case.name or case_name(case.path) for case in cases]
    counts = Counter(names)
    unique = [
        name if counts[name] == 1 else "_".join([*case.path.relative_to(root).parent.parts, name])
        for name, case in zip(names, cases, strict=True)
    ]
    if len(set(unique)) < len(unique):
        unique = [f"{name}_{n}" for n, name in enumerate(unique, 1)]
    return [
        {"image": str(case.path), "name": name} | ({"series": case.series} if case.series else {})
        for name, case in zip(unique, cases, strict=True)
    ]
