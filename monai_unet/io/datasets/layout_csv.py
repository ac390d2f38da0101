"""Data sets as a table: one row per case, with the columns image (or image_<channel>) and label."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.datasets.case_files import unique_names
from monai_unet.io.datasets.labelled import Draft, LabelledCase
from monai_unet.io.datasets.layout_decathlon import LISTS

Rows = list[dict[str, str]]
NAMES = ("case", "name", "id")
PATIENTS = ("patient", "group", "subject", "patient_id", "subject_id")
SITES = ("site", "centre", "center", "hospital")
_PARTS = ("part", "split", "list", "set")
_IMAGE, _PREFIX, _LABELS = "image", "image_", ("label", "mask", "segmentation", "reference")


def read_table(path: Path) -> tuple[dict[str, str], Rows]:
    """Columns (lower case → as stated) and rows by them of a CSV or TSV file, also with semicolons.

    Raises:
        InputError: not text in UTF-8, or two columns of one name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8; save it as CSV.") from None
    first = text.splitlines()[0] if text.strip() else ""
    parted = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=parted)
    stated = [column.strip() for column in next(reader, [])]
    names = [column.lower() for column in stated]
    twice = [name for name, times in Counter(names).items() if times > 1 and name]
    if twice:
        raise InputError(f"{path} has two columns called {twice[0]}; rename one.")
    rows = [dict(zip(names, map(str.strip, row), strict=False)) for row in reader if any(map(str.strip, row))]
    return dict(zip(names, stated, strict=True)), rows


def is_case_table(path: Path) -> bool:
    """Whether a file is a table of cases: with columns of images and of labels."""
    try:
        columns, _ = read_table(path)
    except (InputError, OSError):
        return False
    return bool(_image_columns(columns, ())) and any(name in columns for name in _LABELS)


def read_csv(path: Path, image: Sequence[str], label: str) -> Draft:
    """The cases of a table; its paths are relative to it.

    Args:
        image: columns of the images, in the order of the channels; empty: `image`, else all `image_…`.
        label: column of the labels; empty: `label`, `mask`, `segmentation` or `reference`.

    Raises:
        InputError: not a table, or without these columns.
    """
    columns, rows = read_table(path)
    images = _image_columns(columns, image)
    masks = label.lower() or next((name for name in _LABELS if name in columns), "")
    if not images or masks not in columns:
        lacking = " and ".join(["image"] * (not images) + [label or "label"] * (masks not in columns))
        raise InputError(
            f"{path} has no column {lacking}; its first line must name the columns, it has "
            f"{', '.join(columns.values())}."
        )
    draft = Draft(path.stem, "CSV", path.parent)
    if len(images) > 1 or images[0] != _IMAGE:
        draft.channels = tuple(columns[name][len(_PREFIX) if name.startswith(_PREFIX) else 0 :] for name in images)
    names = [_cell(row, NAMES) for row in rows]
    if not all(names):
        names = unique_names([row.get(images[0], "") for row in rows])
    for number, (name, row) in enumerate(zip(names, rows, strict=True), 2):
        draft.cases += _case(draft, path, number, name, row, images, masks)
    return draft


def _image_columns(columns: Collection[str], image: Sequence[str]) -> list[str]:
    if image:
        return [name.lower() for name in image if name.lower() in columns]
    return [_IMAGE] if _IMAGE in columns else [name for name in columns if name.startswith(_PREFIX)]


def _cell(row: dict[str, str], columns: Sequence[str]) -> str:
    return next((row[name] for name in columns if row.get(name)), "")


def _case(
    draft: Draft, path: Path, number: int, name: str, row: dict[str, str], images: Sequence[str], masks: str
) -> Iterator[LabelledCase]:
    where = f"line {number} of {path}"
    stated = _cell(row, _PARTS).lower() or "training"
    part = LISTS.get(stated, "")
    faults = [] if part else [f"{where} has the part {stated}; parts are training, validation and test"]
    faults += [f"{where} names no {column}" for column in images if not row.get(column)]
    if not row.get(masks) and part != "test":
        faults.append(f"{where} names no {masks}")
    files = [os.path.abspath(path.parent / row[column]) for column in images if row.get(column)]
    mask = os.path.abspath(path.parent / row[masks]) if row.get(masks) else ""
    faults += [
        f"{file}, named in {where}, does not exist" for file in (*files, mask) if file and not os.path.exists(file)
    ]
    fold = row.get("fold", "")
    if fold and not fold.isdigit():
        faults.append(f"{where} has the fold {fold}; folds are whole numbers from 0")
    draft.faults += faults
    if not faults:
        yield LabelledCase(
            name,
            tuple(files),
            mask,
            _cell(row, PATIENTS),
            _cell(row, SITES),
            part,
            int(fold) if fold else None,
        )
