"""Which cases a training learns from and which it is judged by: folds by patient, a validation part, and their file."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io import write_text
from monai_unet.io.datasets import LabelledCase, LabelledSet
from monai_unet.planning.fingerprint import Fingerprint
from monai_unet.planning.typed_json import from_plain

SPLIT_FILE = "split.json"
_SHARE = 0.2
_FEWEST_HELD_OUT = 2
_FEWEST_FOR_TWO = 6


@dataclass(frozen=True)
class Split:
    """Names of the cases of each list; what stands in the file.

    Attributes:
        training: all that may be learnt from; with folds, a fold's own cases are left out of it.
        validation: by which the training is judged where there are no folds.
        test: seen by no training.
        folds: the cases held out in each; empty where nothing is cross-validated.
        seed: of the draw.
        reasons: sentences on how it was made.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...] = ()
    seed: int = 0
    reasons: tuple[str, ...] = ()

    def of_fold(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Cases that a fold (from 0) learns from, and those it is judged by.

        Raises:
            InputError: there is no such fold.

        >>> Split(("a", "b", "c"), (), (), folds=(("a",), ("b", "c"))).of_fold(1)
        (('a',), ('b', 'c'))
        """
        if not 0 <= number < len(self.folds):
            there = f"0 to {len(self.folds) - 1}" if self.folds else "none"
            raise InputError(f"there is no fold {number}; the split has {there}.")
        held = set(self.folds[number])
        return tuple(name for name in self.training if name not in held), self.folds[number]


def make_split(labelled: LabelledSet, fingerprint: Fingerprint, *, folds: int = 0, seed: int = 0) -> Split:
    """The lists that a data set gives, a validation part where it gives none, and folds of its training list.

    Cases that the fingerprint left out are left out.

    Args:
        folds: how many; 0: none, and a validation part is made where there is none.

    Raises:
        InputError: as `make_folds` and `validation_part`.
    """
    marked = {case.name: _marked(case.classes) for case in fingerprint.cases}
    used = [case for case in labelled.cases if case.name in marked]
    parts = {part: [case for case in used if case.part == part] for part in ("training", "validation", "test")}
    training, validation = parts["training"], [case.name for case in parts["validation"]]
    reasons: list[str] = []
    drawn: tuple[tuple[str, ...], ...] = ()
    if folds:
        if not labelled.patients_known:
            raise InputError(
                f"{labelled.root} does not say which training cases are of one patient, so folds could share patients; "
                "train on its own lists, without folds."
            )
        drawn = make_folds(training, folds, seed, marked=marked)
        own = all(case.fold is not None for case in training)
        reasons.append(
            f"{len(drawn)} folds as the data set gives them"
            if own
            else f"{len(drawn)} folds drawn by patient, seed {seed}"
        )
    if validation:
        reasons.append(f"validation list of {len(validation)} cases as the data set gives it")
    elif not folds:
        if not labelled.patients_known:
            raise InputError(
                f"{labelled.root} has no validation list and does not say which training cases are of one patient; "
                "list validation cases, or name the patients in a column 'patient'."
            )
        validation = list(validation_part(training, seed, marked=marked))
        training = [case for case in training if case.name not in set(validation)]
        reasons.append(f"{len(validation)} cases of the training list drawn by patient for validation, seed {seed}")
    names = tuple(case.name for case in training)
    tests = tuple(case.name for case in parts["test"])
    return Split(names, tuple(validation), tests, drawn, seed, tuple(reasons))


def make_folds(
    cases: Sequence[LabelledCase], k: int, seed: int = 0, *, marked: Mapping[str, frozenset[int]] | None = None
) -> tuple[tuple[str, ...], ...]:
    """Names of the cases held out in each of `k` folds: patients stay together; sites and rare classes are spread.

    Fold numbers that the data set gives are taken, whatever `k` is. Spreading follows Sechidis et al. 2011 (iterative
    stratification, doi:10.1007/978-3-642-23808-6_10), with a patient's cases as one.

    Args:
        cases: of the training list.
        seed: of the draw; the order of `cases` does not matter.
        marked: case → classes (any numbers) that are marked in it.

    Raises:
        InputError: fewer than two folds, fewer patients than folds, or fold numbers for some cases only or that part a
            patient.

    >>> cases = [LabelledCase(f"{p}_{n}", ("i",), "l", group=p) for p in "abcd" for n in (1, 2)]
    >>> [len(fold) for fold in make_folds(cases, 4)]
    [2, 2, 2, 2]
    """
    if any(case.fold is not None for case in cases):
        return _own_folds(cases)
    if k < 2:
        raise InputError(f"{k} folds are none; give 2 or more, 5 are usual.")
    groups: dict[str, list[LabelledCase]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: case.name):
        groups[case.group].append(case)
    if len(groups) < k:
        raise InputError(
            f"{k} folds need {k} patients or more, and there are {len(groups)} in the training list; give fewer folds."
        )
    assigned = _spread_out(groups, k, seed, marked or {})
    return tuple(tuple(case.name for case in cases if assigned[case.group] == number) for number in range(k))


def validation_part(
    cases: Sequence[LabelledCase], seed: int = 0, *, marked: Mapping[str, frozenset[int]] | None = None
) -> tuple[str, ...]:
    """Names of the cases of about a fifth of the patients, spread as folds are: 2 patients or more from 6 on, else 1.

    Raises:
        InputError: there are fewer than two patients.
    """
    groups = len({case.group for case in cases})
    if groups < 2:
        raise InputError(
            f"validation needs a patient of its own, and the training list holds {groups}; add cases or list some "
            "under 'validation'."
        )
    held = max(round(_SHARE * groups), _FEWEST_HELD_OUT if groups >= _FEWEST_FOR_TWO else 1)
    unnumbered = [dataclasses.replace(case, fold=None) for case in cases]
    return make_folds(unnumbered, max(2, groups // held), seed, marked=marked)[0]


def kept_split(path: str | Path, made: Split) -> Split:
    """The split in a file, where there is one, else `made`, which is written there: a split is drawn once.

    Raises:
        InputError: the file is no split, or is of other cases.
    """
    file = Path(path)
    if not file.is_file():
        write_text(file, json.dumps(dataclasses.asdict(made), indent=1) + "\n")
        return made
    try:
        kept = from_plain(Split, json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise InputError(f"{file} cannot be read as a split ({error}); remove it to split anew.") from None
    old, new = _all_names(kept), _all_names(made)
    if old != new:
        gone, added = sorted(old - new), sorted(new - old)
        said = [f"{len(gone)} cases are gone ({gone[0]})"] if gone else []
        said += [f"{len(added)} are new ({added[0]})"] if added else []
        raise InputError(f"{file} was made for other cases: {' and '.join(said)}; remove it to split anew.")
    if made.folds and len(kept.folds) != len(made.folds):
        raise InputError(
            f"{file} holds {len(kept.folds) or 'no'} folds, and {len(made.folds)} were asked for; remove it to split "
            "anew."
        )
    return kept


def _all_names(split: Split) -> set[str]:
    return {*split.training, *split.validation, *split.test}


def _marked(classes: Sequence[object]) -> frozenset[int]:
    return frozenset(index for index, entry in enumerate(classes, 1) if getattr(entry, "voxels", 0))


def _own_folds(cases: Sequence[LabelledCase]) -> tuple[tuple[str, ...], ...]:
    without = [case.name for case in cases if case.fold is None]
    if without:
        raise InputError(f"{len(without)} training cases have no fold number, {without[0]} first; number all or none.")
    numbers = sorted({case.fold for case in cases if case.fold is not None})
    if len(numbers) < 2:
        raise InputError(f"the data set numbers one fold only ({numbers[0]}); two or more are needed.")
    first: dict[str, LabelledCase] = {}
    for case in cases:
        other = first.setdefault(case.group, case)
        if other.fold != case.fold:
            raise InputError(
                f"{other.name} is in fold {other.fold} and {case.name} in fold {case.fold}, and both are of patient "
                f"{case.group}; number them alike."
            )
    return tuple(tuple(case.name for case in cases if case.fold == number) for number in numbers)


def _spread_out(
    groups: Mapping[str, Sequence[LabelledCase]], k: int, seed: int, marked: Mapping[str, frozenset[int]]
) -> dict[str, int]:
    """The fold of each group."""
    draw = random.Random(seed)
    order = sorted(groups)
    draw.shuffle(order)
    traits = {name: _traits(groups[name], marked) for name in order}
    total = sum((traits[name] for name in order), Counter[Hashable]())
    wanted = {trait: [count / k] * k for trait, count in total.items()}
    room = [sum(len(members) for members in groups.values()) / k] * k
    empty, assigned = set(range(k)), dict[str, int]()
    waiting = list(order)
    while waiting:
        left = sum((traits[name] for name in waiting), Counter[Hashable]())
        rarest = min(left, key=lambda trait: (left[trait], str(trait))) if left else None
        name = max(waiting, key=lambda n: (traits[n][rarest] if left else 0, len(groups[n])))
        # the last groups go to folds that have none yet
        open_folds = empty if len(waiting) <= len(empty) else set(range(k))
        wish = wanted[rarest] if left else room
        fold = max(sorted(open_folds), key=lambda f: (round(wish[f], 9), round(room[f], 9)))
        assigned[name] = fold
        empty.discard(fold)
        waiting.remove(name)
        room[fold] -= len(groups[name])
        for trait, count in traits[name].items():
            wanted[trait][fold] -= count
    return assigned


def _traits(members: Sequence[LabelledCase], marked: Mapping[str, frozenset[int]]) -> Counter[Hashable]:
    """What is to be spread over the folds: the classes marked in a group's cases, and their sites."""
    found: Counter[Hashable] = Counter()
    for case in members:
        found.update(("class", index) for index in marked.get(case.name, ()))
        if case.site:
            found[("site", case.site)] += 1
    return found
