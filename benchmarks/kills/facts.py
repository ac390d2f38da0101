"""What the files of a folder say, comparable between two runs; and whether each of them is whole."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

_UNFINISHED = ".partial-"
_JOURNALS = (".jsonl", ".journal", ".lock")
# TensorBoard names its files after the second and the process, one for each start
_CURVES = "events.out.tfevents"


def facts(folder: Path) -> dict[str, str]:
    """File and place in it → what stands there; unfinished files and journals are left out."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or _UNFINISHED in name or path.name.endswith(_JOURNALS) or path.name.startswith(_CURVES):
            continue
        for place, value in _content(path).items():
            found[f"{name} {place}"] = value
    return found


def check_whole(folder: Path) -> None:
    """Read every file under its final name.

    Raises:
        Exception: one is cut short.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _UNFINISHED not in path.as_posix() and not path.name.endswith(_JOURNALS):
            try:
                _content(path)
            except Exception as error:
                raise AssertionError(f"{path.name} is not whole: {type(error).__name__}: {error}") from error


def _content(path: Path) -> dict[str, str]:
    if path.name.endswith((".nii.gz", ".nii")):
        image = nib.load(path)
        return {"voxels": _digest(np.asarray(image.dataobj)), "affine": str(image.affine.tolist())}
    if path.suffix == ".json":
        return _flat(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".dcm":
        dataset = dcmread(path)
        assert "PixelData" in dataset or dataset.Modality in ("RTSTRUCT", "SR"), "no pixels"
        return _elements(dataset)
    if path.suffix == ".pt":
        return _tensors(torch.load(path, map_location="cpu", weights_only=True))
    if path.suffix == ".png":
        return {"pixels": _digest(np.asarray(Image.open(path)))}
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {f"line {n} {column}": str(value) for n, row in enumerate(rows, 2) for column, value in row.items()}
    if path.suffix in (".html", ".yaml", ".md", ".txt", ".log"):
        text = path.read_text(encoding="utf-8")
        assert path.suffix != ".html" or text.rstrip().endswith("</html>"), "it has no end"
        return {f"line {n}": line for n, line in enumerate(text.splitlines(), 1)}
    return {"bytes": f"{zlib.crc32(path.read_bytes()):08x}"}


def _flat(value: object, place: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)  # type: ignore[assignment]
    else:
        return {place: repr(value)}
    return {k: v for key, part in parts for k, v in _flat(part, f"{place}/{key}").items()} or {place: repr(value)}


def _elements(dataset: Dataset, place: str = "") -> dict[str, str]:
    """All elements but what is made anew in every run: identifiers, and times of the result."""
    found = {}
    for element in dataset:
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                found.update(_elements(item, f"{place}/{element.keyword}[{number}]"))
        elif element.VR in ("OB", "OW"):
            found[f"{place}/{element.keyword}"] = hashlib.sha256(element.value).hexdigest()[:16]
        else:
            found[f"{place}/{element.keyword}"] = str(element.value)
    return found


def _tensors(value: Any, place: str = "") -> dict[str, str]:
    if isinstance(value, torch.Tensor):
        return {place: _digest(value.contiguous().view(-1).numpy())}
    if isinstance(value, dict):
        return {k: v for key, part in value.items() for k, v in _tensors(part, f"{place}/{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for n, part in enumerate(value) for k, v in _tensors(part, f"{place}/{n}").items()}
    return {place: re.sub(r"0x[0-9a-f]+", "", repr(value))}


def _digest(array: np.ndarray) -> str:  # type: ignore[type-arg]
    return f"{array.dtype} {array.shape} {hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]}"
