"""What a path given by the user stands for: the cases below it."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.dicom import NOT_IMAGES, is_dicom, read_headers
from monai_unet.io.formats import VOLUME_SUFFIXES
from monai_unet.io.volume import case_name


def find_cases(path: str | Path) -> list[dict[str, str]]:
    """One dictionary `{"image": path, "name": unique name}` per case.

    A file (volume, zip, DICOMDIR, DICOM) is one case. In a folder each volume and each zip is one, and so is each
    folder, at any depth, that holds DICOM images. Nothing but one header per folder is read.

    Raises:
        InputError: nothing there, or nothing that is a volume.
    """
    path = Path(path)
    if path.is_file():
        return _named([path], path.parent)
    if not path.is_dir():
        raise InputError(f"{path} does not exist; check the path.")
    if (path / "DICOMDIR").is_file():
        return _named([path], path.parent)
    found = [p for p in _visible(path) if p.is_file() and _is_volume(p)]
    found += [folder for folder in _folders(path) if _holds_images(folder)]
    if not found:
        raise InputError(f"{path} holds no volume: no DICOM image, and no file of {', '.join(VOLUME_SUFFIXES)}.")
    return _named(found, path)


def _visible(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def _folders(path: Path) -> Iterator[Path]:
    yield path
    for child in _visible(path):
        if child.is_dir():
            yield from _folders(child)


def _is_volume(path: Path) -> bool:
    return path.name.lower().endswith(VOLUME_SUFFIXES) or (path.suffix.lower() == ".zip" and zipfile.is_zipfile(path))


def _holds_images(folder: Path) -> bool:
    """Whether the first DICOM file of a folder is an image, and not a report or a mask about images."""
    for file in _visible(folder):
        if file.is_file() and not file.name.lower().endswith(VOLUME_SUFFIXES) and is_dicom(file):
            headers, damaged = read_headers(file)
            # a damaged file makes a case that fails by name, not one that is passed over
            return bool(damaged) or any(h.dataset.get("Modality") not in NOT_IMAGES for h in headers)
    return False


def _named(paths: Sequence[Path], root: Path) -> list[dict[str, str]]:
    """File or folder names, with the folders above where two are the same."""
    names = [case_name(path) for path in paths]
    counts = Counter(names)
    unique = [
        name if counts[name] == 1 else "_".join([*path.relative_to(root).parent.parts, name])
        for name, path in zip(names, paths, strict=True)
    ]
    if len(set(unique)) < len(unique):
        unique = [f"{name}_{n}" for n, name in enumerate(unique, 1)]
    return [{"image": str(path), "name": name} for name, path in zip(unique, paths, strict=True)]
