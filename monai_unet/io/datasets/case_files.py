"""Files of cases in a folder, by case name: label maps, and the images that belong to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.formats import PICTURE_SUFFIXES, VOLUME_SUFFIXES
from monai_unet.io.volume import case_name


def case_files(folder: Path) -> list[Path]:
    """Volume files of a folder, or, where it holds none, its pictures: beside volumes they are previews."""
    shown = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.is_file()]
    volumes = [path for path in shown if path.name.lower().endswith(VOLUME_SUFFIXES)]
    return volumes or [path for path in shown if path.name.lower().endswith(PICTURE_SUFFIXES)]


def unique_names(paths: Sequence[str | Path]) -> list[str]:
    """Case names of files: the file's own, with the folders above it where that is what tells files apart.

    >>> unique_names(["a/STS_001/t1.nii.gz", "a/STS_002/t1.nii.gz"])
    ['STS_001_t1', 'STS_002_t1']
    """
    parts = [(*Path(path).parts[:-1], case_name(path)) for path in paths]
    for depth in range(1, max((len(p) for p in parts), default=1) + 1):
        names = ["_".join(p[-depth:]).strip("/\\_") for p in parts]
        if len(set(names)) == len(names):
            return names
    return names if parts else []


def label_maps_in(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Label maps of a folder by case name; more than one where a case has two files.

    Raises:
        InputError: no folder, or it holds no label map.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name the folder that holds one file per case.")
    found: dict[str, list[Path]] = defaultdict(list)
    for path in case_files(folder):
        found[case_name(path)].append(path)
    for path in sorted(folder.glob("*.[dD][cC][mM]")):
        if not path.name.startswith("."):
            found[path.stem].append(path)
    if not found:
        raise InputError(f"{folder} holds no label map ({', '.join(VOLUME_SUFFIXES)}, .dcm); name another folder.")
    return {name: tuple(paths) for name, paths in found.items()}


def images_in(folder: Path) -> dict[str, tuple[str, ...]]:
    """Images of a folder (files and DICOM folders) by case name; nnU-Net's channel number is cut.

    A name that ends as a channel number does is there with and without it.

    Raises:
        InputError: no folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name the folder that holds the images.")
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            found[path.name].append(str(path))
    for path in case_files(folder):
        name = case_name(path)
        found[name].append(str(path))
        if without_channel(name) != name:
            found[without_channel(name)].append(str(path))
    return {name: tuple(paths) for name, paths in found.items()}


def channels_in(folder: Path) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Images of nnU-Net's folder by case, channel 0 first, and as faults the cases whose numbers have gaps."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    faults = []
    for path in case_files(folder):
        name = case_name(path)
        case = without_channel(name)
        if case == name:
            faults.append(f"{path} has no channel number; nnU-Net calls it {name}_0000")
            continue
        number = int(name[-4:])
        if number in found[case]:
            faults.append(f"{found[case][number]} and {path} are the same channel; remove one")
        found[case][number] = str(path)
    for case, files in found.items():
        lacking = sorted(set(range(max(files) + 1)) - files.keys())
        faults += [f"{folder} holds no {case}_{number:04d}, but {case}_{max(files):04d}" for number in lacking]
    return {case: tuple(files[n] for n in sorted(files)) for case, files in found.items()}, faults


def images_beside(labels: Path) -> dict[str, tuple[str, ...]]:
    """Images of each case in the `images…` folder beside a `labels…` folder; empty where there is none."""
    folder = labels.parent / labels.name.replace("labels", "images")
    if folder == labels or not folder.is_dir():
        return {}
    return images_in(folder)


def without_channel(name: str) -> str:
    """A case's name without nnU-Net's channel number.

    >>> without_channel("la_003_0000"), without_channel("la_003")
    ('la_003', 'la_003')
    """
    return name[:-5] if len(name) > 5 and name[-5] == "_" and name[-4:].isdigit() else name
