"""The folder in which a model comes to be: fingerprint, plan, lists, bundle, runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io import write_text
from monai_unet.io.datasets import LabelledCase, LabelledSet
from monai_unet.mappings import Json
from monai_unet.planning.fingerprint import FINGERPRINT_FILE
from monai_unet.planning.plan import PLAN_FILE, Plan, read_plan

JOURNAL, DATASET, SPLIT = "reading.jsonl", "dataset.json", "split.json"
PARTS = ("training", "validation", "test")
WHOLE = "whole"
"""Name of the run on the given lists."""

FINAL = "final"
"""Name of the run on all training cases, behind a cross-validation."""


@dataclass(frozen=True)
class Workspace:
    """Paths below one folder.

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def plan_file(self) -> Path:
        """The plan."""
        return self.root / PLAN_FILE

    @property
    def fingerprint_file(self) -> Path:
        """The fingerprint."""
        return self.root / FINGERPRINT_FILE

    @property
    def journal_file(self) -> Path:
        """Cases that were read already."""
        return self.root / JOURNAL

    @property
    def split_file(self) -> Path:
        """Which case is in which fold."""
        return self.root / SPLIT

    def dataset_file(self, run: str = WHOLE) -> Path:
        """Lists of a run in Decathlon layout."""
        return self.root / (DATASET if run == WHOLE else f"dataset_{run}.json")

    def bundle(self, plan: Plan) -> Path:
        """The bundle's folder."""
        return self.root / "bundle" / plan.name

    def run(self, name: str = WHOLE) -> Path:
        """Folder of a training."""
        return self.root / "runs" / name

    def plan(self) -> Plan:
        """The plan in this folder.

        Raises:
            InputError: there is none, or it cannot be used.
        """
        return read_plan(self.plan_file)


def write_lists(file: Path, labelled: LabelledSet, lists: Mapping[str, Sequence[LabelledCase]]) -> None:
    """Write lists of cases as a `dataset.json`, with absolute paths; cases without label are left out.

    Raises:
        InputError: a training list without cases.
    """
    if not any(case.label for case in lists.get("training", ())):
        raise InputError(f"{labelled.root} has no labelled case to train on.")
    content: Json = {
        "name": labelled.name,
        "channels": list(labelled.channels),
        "labels": {
            "0": "background",
            **{str(value): entry.name for entry in labelled.classes for value in entry.values[:1]},
        },
    }
    several = len(labelled.channels) > 1
    entries = {
        part: [_entry(case, len(labelled.channels), several) for case in cases if case.label]
        for part, cases in lists.items()
    }
    write_entries(file, content, entries)


def write_entries(file: Path, common: Mapping[str, object], lists: Mapping[str, Sequence[Json]]) -> None:
    """Write a `dataset.json` from entries of one."""
    write_text(file, json.dumps({**common, **lists}, indent=1) + "\n")


def _entry(case: LabelledCase, channels: int, several: bool) -> Json:
    image: object = list(case.images) if several else case.images[0]
    if several and len(case.images) == 1:  # a 4D file
        image = [[case.images[0], index] for index in range(channels)]
    numbered = {} if case.fold is None else {"fold": case.fold}
    return {"image": image, "label": case.label, "name": case.name, **numbered}
