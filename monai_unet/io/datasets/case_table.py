"""Patients and sites that a table beside a data set names, and folds in nnU-Net's `splits_final.json`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.datasets.labelled import Draft
from monai_unet.io.datasets.layout_csv import NAMES, PATIENTS, SITES, Rows, read_table

SPLITS = "splits_final.json"


def take_patients(draft: Draft) -> None:
    """Group and site of each case from the one CSV in the folder that has a column name (or case) and patient.

    Where it leaves training cases without a patient, the patients are not known.
    """
    for path in sorted(draft.root.glob("*.csv")):
        try:
            columns, rows = read_table(path)
        except (InputError, OSError):
            continue
        name = next((column for column in NAMES if column in columns), "")
        patient = next((column for column in PATIENTS if column in columns), "")
        site = next((column for column in SITES if column in columns), "")
        if name and (patient or site) and _fits(draft, rows, name):
            _take(draft, path, {row.get(name, ""): (row.get(patient, ""), row.get(site, "")) for row in rows})
            return


def _fits(draft: Draft, rows: Rows, name: str) -> bool:
    listed = {row.get(name, "") for row in rows}
    return any(case.name in listed for case in draft.cases)


def _take(draft: Draft, path: Path, table: dict[str, tuple[str, str]]) -> None:
    nothing = ("", "")
    draft.cases = [
        replace(case, group=case.group or patient, site=case.site or site)
        for case in draft.cases
        for patient, site in [table.get(case.name, nothing)]
    ]
    named = [case for case in draft.cases if case.group]
    without = [case for case in draft.cases if case.part == "training" and not case.group]
    if named and without:
        draft.patients_known = False
        draft.notes.append(
            f"{path.name} names no patient for {len(without)} training cases, so two of them may be of one patient: "
            "they cannot be cross-validated, and only the given lists are used."
        )
        draft.cases = [case if case.group else replace(case, group=case.name) for case in draft.cases]


def take_folds(draft: Draft) -> None:
    """Fold numbers of the training cases from `splits_final.json` in the folder; of one split, the validation list."""
    path = draft.root / SPLITS
    if not path.is_file():
        return
    try:
        splits = [set(map(str, split["val"])) for split in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, KeyError):
        draft.faults.append(f"{path} is no list of splits with 'train' and 'val' each; correct or remove it")
        return
    names = {case.name for case in draft.cases}
    unknown = sorted(set().union(*splits) - names) if splits else []
    if unknown:
        draft.faults.append(f"{path} names {unknown[0]}, which the data set does not hold")
    elif len(splits) == 1:
        draft.cases = [replace(case, part="validation") if case.name in splits[0] else case for case in draft.cases]
    else:
        _number(draft, path, splits)


def _number(draft: Draft, path: Path, splits: list[set[str]]) -> None:
    times = Counter(name for held in splits for name in held)
    training = [case.name for case in draft.cases if case.part == "training"]
    odd = [name for name in training if times[name] != 1]
    if odd:
        draft.notes.append(
            f"{path.name} is not used: its splits hold {odd[0]} out {times[odd[0]]} times, where "
            "folds hold each case out once."
        )
        return
    fold = {name: number for number, held in enumerate(splits) for name in held}
    draft.cases = [replace(case, fold=fold[case.name]) if case.part == "training" else case for case in draft.cases]
