"""All parts of a run together: what is done, what failed and why, and what nobody did."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from monai_unet.batch.run_record import lines_of, records_in
from monai_unet.errors import InputError
from monai_unet.io import cell, write_text

TABLE = "batch.csv"
"""Name of the table in the folder of the results."""

State = Literal["done", "failed", "missing"]


@dataclass(frozen=True)
class GatheredCase:
    """One case of all runs.

    Attributes:
        state: "done" where the mask and its receipt stand there; "failed" with `reason`; "missing" where no run that
            was to do it came to an end with it.
        model: hash of the bundle's files and weights.
        volumes_ml: of each label value, as its receipt says.
    """

    case: str
    state: State
    image: str = ""
    reason: str = ""
    seconds: float | None = None
    bundle: str = ""
    model: str = ""
    notes: tuple[str, ...] = ()
    volumes_ml: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gathered:
    """All cases in order of their names.

    Attributes:
        warnings: what is wrong with the whole: sentences.
        unknown: cases of parts that never began, whose names no record holds.
    """

    cases: tuple[GatheredCase, ...]
    warnings: tuple[str, ...] = ()
    unknown: int = 0

    def count(self, state: State) -> int:
        """How many cases are in that state."""
        return sum(case.state == state for case in self.cases)


def gather(folder: str | Path) -> Gathered:
    """What the records and receipts in a folder of masks say.

    Raises:
        InputError: no run over several cases was recorded there.
    """
    folder = Path(folder)
    paths = records_in(folder)
    if not paths:
        raise InputError(
            f"{folder} holds no record of a run (segment.jsonl); segment a folder, or with --part, and gather that."
        )
    wanted: dict[str, None] = {}
    last: dict[str, dict[str, Any]] = {}
    keys: dict[str, str] = {}
    parts: dict[int, set[int]] = {}
    whole = 0
    for path in paths:
        for line in lines_of(path):
            if "cases" in line:
                wanted |= dict.fromkeys(str(case) for case in line["cases"])
                number, count = line["part"]
                parts.setdefault(int(count), set()).add(int(number))
                whole = max(whole, int(line.get("whole", 0)))
                keys.setdefault(json.dumps(line["key"], sort_keys=True), path.name)
            elif "case" in line:
                last[str(line["case"])] = line
    cases = tuple(_gathered(folder, case, last.get(case)) for case in sorted(wanted))
    return Gathered(cases, tuple(_warnings(parts, keys, cases)), max(0, whole - len(cases)))


def write_table(gathered: Gathered, folder: str | Path) -> Path:
    """`batch.csv`: a row for each case, a column for the volume of each label."""
    labels: dict[str, str] = {}
    for case in gathered.cases:
        labels |= case.labels
    values = sorted(labels, key=lambda value: int(value) if value.isdecimal() else 0)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        ["case", "state", "image", "bundle", "seconds", *(f"{cell(labels[v])} ml" for v in values), "notes", "reason"]
    )
    for case in gathered.cases:
        volumes = [f"{case.volumes_ml[value]:g}" if value in case.volumes_ml else "" for value in values]
        seconds = "" if case.seconds is None else f"{case.seconds:g}"
        words = [cell(word) for word in (case.case, case.state, case.image, case.bundle)]
        rows.writerow([*words, seconds, *volumes, cell("; ".join(case.notes)), cell(case.reason)])
    target = Path(folder) / TABLE
    write_text(target, text.getvalue())
    return target


def _gathered(folder: Path, case: str, line: Mapping[str, Any] | None) -> GatheredCase:
    mask = folder / str(line["mask"]) if line else folder / f"{case}.nii.gz"
    receipt = _receipt(folder / f"{case}.json")
    image, seconds = (str(line.get("image", "")), line.get("seconds")) if line else ("", None)
    failure = str(line.get("failure", "")) if line else ""
    if failure:
        return GatheredCase(case, "failed", image, failure, seconds)
    if receipt is None or not mask.is_file():
        why = "its mask is gone" if line else ""
        return GatheredCase(case, "missing", image, why, seconds)
    return GatheredCase(
        case,
        "done",
        image or str(receipt.get("source", "")),
        "",
        seconds,
        str(receipt.get("bundle", "")),
        str(receipt.get("bundle_sha256", "")),
        tuple(str(note) for note in receipt.get("notes", ())),
        {str(value): float(ml) for value, ml in receipt.get("volumes_ml", {}).items()},
        {str(value): str(name) for value, name in receipt.get("labels", {}).items()},
    )


def _receipt(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and "mask_sha256" in content else None


def _warnings(parts: Mapping[int, set[int]], keys: Mapping[str, str], cases: Sequence[GatheredCase]) -> list[str]:
    found = []
    models = {(case.bundle, case.model) for case in cases if case.state == "done"}
    if len(models) > 1:
        names = ", ".join(f"{bundle} ({model[:8]})" for bundle, model in sorted(models))
        found.append(f"masks of different models or weights lie here: {names}; each <case>.json says which made which.")
    elif len(keys) > 1:
        found.append(f"the runs had different options ({', '.join(sorted(set(keys.values())))}).")
    if len(parts) > 1:
        found.append(f"the work was cut in different ways, {' and '.join(f'{n} parts' for n in sorted(parts))}.")
    for count, there in parts.items():
        absent = sorted(set(range(1, count + 1)) - there)
        if absent and len(parts) == 1:
            listed = ", ".join(map(str, absent[:20])) + (" …" if len(absent) > 20 else "")
            found.append(f"{len(absent)} of {count} parts never began ({listed}); their cases are not in the table.")
    return found
