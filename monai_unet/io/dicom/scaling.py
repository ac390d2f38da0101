"""How stored values become quantities, as a header states it: understood, or named as what cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

LARGEST = float(np.finfo(np.float32).max)


class UnclearError(ValueError):
    """A value that is given and cannot be understood; the message names it."""


@dataclass(frozen=True)
class Scaling:
    """Slope and intercept of one image.

    Attributes:
        slope: factor from stored value to quantity, 1 where none is stated.
        intercept: summand from stored value to quantity, 0 where none is stated.
        stated: which of both the header states, for comparing the slices of a series.
        problem: what of it cannot be understood; empty otherwise.
    """

    slope: float = 1.0
    intercept: float = 0.0
    stated: str = "neither"
    problem: str = ""


def scaling_of(dataset: Dataset, *, bits: int) -> Scaling:
    """Rescale Slope and Intercept of a dataset whose stored values have so many bits."""
    try:
        slope, intercept = stated_number(dataset, "RescaleSlope"), stated_number(dataset, "RescaleIntercept")
    except UnclearError as error:
        return Scaling(problem=str(error))
    if slope == 0 and not intercept:
        # software that has no scaling to state writes zeros
        return Scaling(stated="a slope of 0")
    stated = {
        (True, True): "both",
        (True, False): "a slope without intercept",
        (False, True): "an intercept without slope",
        (False, False): "neither",
    }[slope is not None, intercept is not None]
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    problem = ""
    if np.float32(slope) == 0:
        problem = f"it has a Rescale Slope of {slope:g}, which would make all its voxels equal"
    elif abs(slope) * 2.0**bits + abs(intercept) > LARGEST:
        problem = f"it has a Rescale Slope of {slope:g} and Intercept of {intercept:g}, beyond what voxels can hold"
    return Scaling(slope, intercept, stated, problem)


def stated_number(dataset: Dataset, keyword: str) -> float | None:
    """The number that an element states; None where it is absent or empty.

    Raises:
        UnclearError: it states something else.
    """
    value: Any = dataset.get(keyword)
    if value is None or (isinstance(value, str | bytes) and not value.strip()):
        return None
    several = [value] if isinstance(value, str | bytes) or not hasattr(value, "__iter__") else list(value)
    if not several:
        return None
    try:
        found = {float(part) for part in several}
    except (TypeError, ValueError):
        found = set()
    if len(found) != 1 or not np.isfinite(list(found)).all():
        name = "".join(f" {c}" if c.isupper() else c for c in keyword).strip()
        raise UnclearError(f"it has a {name} of '{str(value)[:40]}', which is not a number")
    return found.pop()
