"""The click benchmark over a case or a data set: each object of each case, and what could not be measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.evaluation.clicks.benchmark import SEED, Curve, run_case
from monai_unet.evaluation.clicks.cases import CaseFiles, ClickCase
from monai_unet.evaluation.clicks.report import CaseCurve
from monai_unet.evaluation.pairs import Refusal
from monai_unet.evaluation.pictures import case_picture
from monai_unet.generators import drain
from monai_unet.interaction import Answerer


@dataclass(frozen=True)
class ClickSettings:
    """How a benchmark is run.

    Attributes:
        clicks: per object.
        tolerance_mm: of NSD.
        seed: of the choice between equally good clicks.
    """

    clicks: int = 10
    tolerance_mm: float = 1.0
    seed: int = SEED

    def __post_init__(self) -> None:
        if self.clicks < 1:
            raise InputError(f"--clicks must be 1 or more, got {self.clicks}.")
        if not isfinite(self.tolerance_mm) or self.tolerance_mm < 0:
            raise InputError(f"--tolerance must be 0 mm or more, got {self.tolerance_mm}.")


@dataclass(frozen=True)
class MeasuredObject:
    """The curve of one object, its mask left out, and a PNG of what the last click left."""

    curve: CaseCurve
    picture: bytes

    @property
    def caption(self) -> str:
        """Case and structure."""
        return f"{self.curve.case}, {self.curve.structure}"

    @property
    def dice(self) -> float:
        """After the last click."""
        return self.curve.curve.dice[-1]


def measure_object(case: ClickCase, answerer: Answerer, settings: ClickSettings, values: Sequence[int] | None) -> Curve:
    """The curve of the object that these labels make up, of all labels without any.

    Raises:
        InputError: the reference does not hold them.
    """
    return _curve(case, answerer, settings, values, case.object_mask(values))


def measure_cases(
    files: Iterable[CaseFiles],
    answerer: Answerer,
    settings: ClickSettings,
    values: Sequence[int] | None = None,
) -> Iterator[MeasuredObject | Refusal]:
    """Measure each label of each case as an object of its own; what cannot be measured is named and the rest goes on.

    Args:
        values: labels that are measured; None: all that the case's reference holds.
    """
    for found in files:
        try:
            case = found.read()
            wanted = values or case.values()
            if not wanted:
                raise InputError("the reference is empty, so there is nothing to click at.")
        except InputError as error:
            yield Refusal(found.name, str(error))
            continue
        for value in wanted:
            try:
                yield _measured(found, case, answerer, settings, value)
            except InputError as error:
                yield Refusal(found.name, str(error))


def chosen_pictures(measured: Sequence[MeasuredObject], count: int = 4) -> dict[str, bytes]:
    """Pictures for a report, by caption: the worst objects and the median one."""
    order = sorted(measured, key=lambda found: found.dice)
    chosen = [*order[: count - 1], *order[len(order) // 2 :][:1]]
    return {f"{found.caption}: Dice {found.dice:.3f}": found.picture for found in chosen}


def _measured(
    files: CaseFiles, case: ClickCase, answerer: Answerer, settings: ClickSettings, value: int
) -> MeasuredObject:
    mask = case.object_mask([value])
    curve = _curve(case, answerer, settings, [value], mask)
    assert curve.mask is not None
    picture = case_picture(
        curve.mask.astype(np.uint8), mask.astype(np.uint8), spacing=case.grid.spacing, image=case.image
    )
    curve.mask = None  # a data set's masks would fill the memory
    structure = files.labels.get(value, f"label {value}")
    return MeasuredObject(CaseCurve(files.name, structure, float(mask.sum()) * case.voxel_ml, curve), picture)


def _curve(
    case: ClickCase, answerer: Answerer, settings: ClickSettings, values: Sequence[int] | None, mask: NDArray[np.bool_]
) -> Curve:
    curve = drain(
        run_case(
            case.image,
            case.grid,
            mask,
            answerer,
            clicks=settings.clicks,
            initial=case.initial_mask(values),
            tolerance_mm=settings.tolerance_mm,
            seed=settings.seed,
        )
    )
    curve.notes[:0] = case.notes
    return curve
