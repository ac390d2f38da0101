"""Which cases are of one patient, where the data set does not say so itself."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monai_unet.io.datasets.labelled import Draft, LabelledCase

_LISTED = re.compile(r"(images?|labels?|imgs?|masks?|train|test|val|data)", re.IGNORECASE)
"""How folders begin that hold a list and not a patient."""

_FEWEST_GROUPS = 0.1
"""Names that would join more than ten cases a patient on average name something else, such as the data set."""


def fill_groups(draft: Draft) -> None:
    """Give each case without one a group: what its name or folder shares with others, else its own name."""
    unnamed = [case for case in draft.cases if not case.group]
    draft.patients_stated = len(unnamed) < len(draft.cases)
    if not unnamed:
        return
    for how, rule in (("BIDS names", _by_bids), ("folders", _by_folder), ("names", _by_stem)):
        groups = rule(unnamed, draft.root)
        if groups:
            draft.notes.append(_said(unnamed, groups, how))
            break
    else:
        groups = [case.name for case in unnamed]
        draft.notes.append("Nothing names the patients: each case is taken as a patient of its own.")
    filled = iter(groups)
    draft.cases = [case if case.group else replace(case, group=next(filled)) for case in draft.cases]


def _said(cases: Sequence[LabelledCase], groups: Sequence[str], how: str) -> str:
    count, times = len(set(groups)), Counter(groups)
    first = next((group for group in groups if times[group] > 1), "")
    alike = [case.name for case, group in zip(cases, groups, strict=True) if group == first][:2]
    example = f"{alike[0]} and {alike[1]} are both {first}" if first else f"{cases[0].name} is {groups[0]}"
    return f"Patients are taken from the {how}: {example}, {count} in all; a column or key 'patient' can say otherwise."


def _by_bids(cases: Sequence[LabelledCase], root: Path) -> list[str]:
    found = [re.search(r"(?:^|[/\\_])(sub-[A-Za-z0-9]+)", case.images[0]) for case in cases]
    return [match[1] for match in found if match] if all(found) else []


def _by_folder(cases: Sequence[LabelledCase], root: Path) -> list[str]:
    """The folder below the data set's, where each holds the same few file names (STS_001/t1.nii.gz)."""
    inside = [Path(os.path.relpath(case.images[0], root)).parts for case in cases]
    tops = [parts[0] for parts in inside]
    if any(parts[0] == os.pardir or len(parts) < 2 for parts in inside) or any(map(_LISTED.match, tops)):
        return []
    files_repeat = len({parts[1:] for parts in inside}) <= len(cases) / 2
    one_each = len(set(tops)) == len(tops)
    return tops if (files_repeat or one_each) and _plausible(tops) else []


def _by_stem(cases: Sequence[LabelledCase], root: Path) -> list[str]:
    """What stands before the last part of a name, where it ends in digits itself: PGBM-006_1, patient012_frame01."""
    stems = [stem_of(case.name) for case in cases]
    return stems if len(set(stems)) < len(stems) and _plausible(stems) else []


def stem_of(name: str) -> str:
    """A name without its last part, where what is left ends in digits; else the whole name.

    >>> stem_of("PGBM-006_1"), stem_of("patient012_frame01"), stem_of("hippocampus_003")
    ('PGBM-006', 'patient012', 'hippocampus_003')
    """
    match = re.fullmatch(r"(.*\d)[_-][A-Za-z]*\d*", name)
    return match[1] if match else name


def _plausible(groups: Sequence[str]) -> bool:
    return len(set(groups)) >= max(min(2, len(groups)), _FEWEST_GROUPS * len(groups))
