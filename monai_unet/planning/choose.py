"""What is done to a trained network's result, decided on cases that it was not trained on.

A choice is made only where it helps beyond noise: mean Dice higher by 0.002 over the cases, and by twice the standard
error of the paired differences. On a tie the cheaper one stays.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_unet.bundle_format import Bundle, build_parts
from monai_unet.evaluation import read_label_map
from monai_unet.mappings import Json
from monai_unet.planning.plan import Plan
from monai_unet.planning.write_bundle import write_bundle
from monai_unet.segmentation import Segmenter, choose_device

GAIN = 0.002
_ERRORS = 2.0
_FEWEST = 5

Labels = NDArray[np.integer]
Scores = dict[str, dict[int, float]]
"""Case → class value → Dice (not a number where neither map has it)."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, on how many cases, and what was tried.

    Attributes:
        plan: with the chosen flips and postprocessing.
        scores: of the chosen setting.
        tried: setting → (mean Dice, chosen or not), in the order in which they were tried.
        cases: on how many.
    """

    plan: Plan
    scores: Scores
    tried: dict[str, tuple[float, bool]]
    cases: int
    notes: list[str] = field(default_factory=list)


def choose(
    plan: Plan,
    held_out: Sequence[tuple[Path, Sequence[Json]]],
    *,
    says: Callable[[str], object] = print,
) -> Choice:
    """Compare settings on held-out cases.

    Args:
        plan: as trained.
        held_out: for each set of weights the cases (as in a `dataset.json`) that these were not trained on.
        says: is told each figure.
    """
    values = [entry.values for entry in plan.classes]
    plain = dict(_predictions(dataclasses.replace(plan, flips=(), largest_only=(), smallest_ml=0.0), held_out))
    references = {name: reference for name, (_, reference) in plain.items()}
    kept = {name: prediction for name, (prediction, _) in plain.items()}
    best = {name: _dice(kept[name], references[name], values, plan.ignore) for name in kept}
    tried = {"as the network draws it": (mean_of(best), True)}
    says(f"Dice on {len(best)} held-out cases: {mean_of(best):.3f}")
    chosen = dataclasses.replace(plan, flips=(), largest_only=(), smallest_ml=0.0)
    notes: list[str] = []
    if len(best) < _FEWEST:
        notes.append(f"Nothing was chosen: {len(best)} held-out cases are too few to tell a gain from chance.")
        return Choice(chosen, best, tried, len(best), notes)
    if plan.mirror:
        flipped = dataclasses.replace(chosen, flips=tuple(plan.mirror))
        drawn = {name: prediction for name, (prediction, _) in _predictions(flipped, held_out)}
        scores = {name: _dice(drawn[name], references[name], values, plan.ignore) for name in drawn}
        better = _helps(best, scores)
        tried["averaged with the mirrored image (twice the time)"] = (mean_of(scores), better)
        says(f"  averaged with the mirrored image: {mean_of(scores):.3f}{', chosen' if better else ''}")
        if better:
            chosen, kept, best = flipped, drawn, scores
    if not plan.regions:
        for entry in plan.classes:
            cleaned = {name: _largest(labels, entry.value) for name, labels in kept.items()}
            scores = {name: _dice(cleaned[name], references[name], values, plan.ignore) for name in cleaned}
            better = _helps(best, scores)
            tried[f"largest part of {entry.name} only"] = (mean_of(scores), better)
            if better:
                says(f"  largest part of {entry.name} only: {mean_of(scores):.3f}, chosen")
                chosen = dataclasses.replace(chosen, largest_only=(*chosen.largest_only, entry.value))
                kept, best = cleaned, scores
    return Choice(chosen, best, tried, len(best), notes)


def mean_of(scores: Scores) -> float:
    """Mean over classes of the mean over cases; see `class_means`."""
    means = [value for value in class_means(scores).values() if not math.isnan(value)]
    return sum(means) / len(means) if means else math.nan


def class_means(scores: Scores) -> dict[int, float]:
    """Class → mean Dice over the cases in which the reference or the prediction has it."""
    table: dict[int, list[float]] = {}
    for of_case in scores.values():
        for value, dice in of_case.items():
            table.setdefault(value, []).append(dice)
    return {
        value: float(np.nanmean(column)) if not np.isnan(column).all() else math.nan for value, column in table.items()
    }


def _helps(before: Scores, after: Scores) -> bool:
    gains = np.array([_of_case(after[name]) - _of_case(before[name]) for name in before])
    gains = gains[~np.isnan(gains)]
    if len(gains) < _FEWEST or mean_of(after) - mean_of(before) < GAIN:
        return False
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return bool(gains.mean() >= GAIN and gains.mean() >= _ERRORS * error)


def _of_case(scores: Mapping[int, float]) -> float:
    column = np.array(list(scores.values()), dtype=float)
    return float(np.nanmean(column)) if not np.isnan(column).all() else math.nan


def _predictions(
    plan: Plan, held_out: Sequence[tuple[Path, Sequence[Json]]]
) -> Iterator[tuple[str, tuple[Labels, Labels]]]:
    """(case, (prediction, reference)) on the references' own grids, for weights and the cases that they never saw."""
    for weights, cases in held_out:
        with TemporaryDirectory() as folder:
            root = write_bundle(plan, Path(folder) / plan.name)
            # written here a moment ago: nobody has to agree to it
            bundle = Bundle(plan.name, root, built_in=True)
            segmenter = Segmenter(build_parts(bundle, device=choose_device(None), checkpoint=weights))
            for number, case in enumerate(cases):
                image = case["image"]
                drawn = segmenter.segment(image if isinstance(image, str) else list(image))
                reference, _, _ = read_label_map(str(case["label"]))
                labels = np.asarray(drawn.labels)[0]
                yield (
                    str(case.get("name", f"{weights.parent.name}_{number}")),
                    (labels.astype(reference.dtype), reference),
                )


def _dice(
    prediction: Labels, reference: Labels, values: Sequence[Sequence[int]], ignore: int | None
) -> dict[int, float]:
    counted = np.ones(reference.shape, dtype=bool) if ignore is None else reference != ignore
    found = {}
    for number, members in enumerate(values, start=1):
        drawn, true = np.isin(prediction, members) & counted, np.isin(reference, members)
        volume = int(drawn.sum()) + int(true.sum())
        found[number] = 2 * int((drawn & true).sum()) / volume if volume else math.nan
    return found


def _largest(labels: Labels, value: int) -> Labels:
    """Labels (S, A, R) with the largest connected part (26 neighbours) of one value alone."""
    parts, count = ndimage.label(labels == value, np.ones((3, 3, 3)))
    if count < 2:
        return labels
    largest = 1 + int(np.bincount(parts.ravel())[1:].argmax())
    cleaned = labels.copy()
    cleaned[(parts != largest) & (labels == value)] = 0
    return cleaned
