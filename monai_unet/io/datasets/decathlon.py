"""Datasets in the layout of the Medical Segmentation Decathlon: `dataset.json` with paths relative to its folder."""

from __future__ import annotations

import json
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.mappings import Json


def read_dataset(dataset_dir: str | Path) -> Json:
    """The parsed `dataset.json` of a folder, or of such a file of another name.

    Raises:
        InputError: no such folder or file, or not JSON.
    """
    path = _file(dataset_dir)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist; --dataset_dir must name a folder in Decathlon layout (with dataset.json)."
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid JSON ({error}); correct the file.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object ({{…}}); correct the file.")
    return content


def dataset_cases(dataset_dir: str | Path, key: str) -> list[Json]:
    """Cases of one list (`training`, `validation` or `test`) with absolute paths under "image" and "label".

    An image is a file, a list of one file per channel, or of volumes of 4D files ([file, index]).

    Raises:
        InputError: the list is missing or empty, a case has no image or label, or a file is missing.
    """
    file = _file(dataset_dir)
    dataset = read_dataset(file)
    entries = dataset.get(key)
    if not isinstance(entries, list) or not entries:
        lists = [name for name, value in dataset.items() if isinstance(value, list) and value]
        raise InputError(f"{file} has no cases under '{key}'; it has {', '.join(lists) or 'none'}.")
    return [_absolute(file, entry, key) for entry in entries]


def dataset_labels(dataset_dir: str | Path) -> dict[int, str]:
    """Label value → name as a `dataset.json` states them, background (0) excluded; empty where it states none.

    Raises:
        InputError: not readable, or the labels are not a table of value to name.
    """
    stated = read_dataset(dataset_dir).get("labels") or {}
    try:
        return {int(value): str(name) for value, name in stated.items() if int(value)}
    except (AttributeError, ValueError):
        raise InputError(
            f'\'labels\' in {_file(dataset_dir)} must give each value its name, such as {{"0": "background", '
            '"1": "liver"}; correct the file.'
        ) from None


def _file(dataset: str | Path) -> Path:
    path = Path(dataset)
    return path if path.suffix == ".json" else path / "dataset.json"


def _absolute(file: Path, entry: object, key: str) -> Json:
    if not isinstance(entry, dict) or "image" not in entry or "label" not in entry:
        raise InputError(f"{file}: a case under '{key}' needs both image and label, got {entry!r}.")
    for name in ("image", "label"):
        if not all(isinstance(path, str) for path in _as_list(entry[name])):
            raise InputError(f"{file}: the {name} of a case under '{key}' is no path, got {entry[name]!r}.")
    case: Json = {
        name: _paths(file.parent, value) if name in ("image", "label") else value for name, value in entry.items()
    }
    for name in ("image", "label"):
        for stated in _as_list(case[name]):
            path = stated[0] if isinstance(stated, list) else stated
            if not Path(str(path)).exists():
                raise InputError(f"{path}, named as {name} under '{key}' in {file}, does not exist.")
    return case


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _paths(root: Path, value: object) -> object:
    """Absolute paths of a file, of a list of files, or of volumes of 4D files ([file, index])."""
    if not isinstance(value, list):
        return str(root / str(value))
    return [[str(root / str(v[0])), int(v[1])] if isinstance(v, list) else str(root / str(v)) for v in value]
