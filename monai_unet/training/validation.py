"""The metric that selects the best weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from monai.handlers import IgniteMetricHandler, from_engine
from monai.metrics import CumulativeIterationMetric
from torch import Tensor

from monai_unet.errors import InputError


class LabelDice(CumulativeIterationMetric):
    """Mean Dice over cases and classes, of label maps (N, 1, *spatial); no case and no class is dropped in silence.

    In a case, a class that only one of the two maps has counts as 0, one that neither has as 1. A class that no
    reference of the whole list holds is not in the mean (a model that never draws it would be given 1 for it): unless
    it was drawn, then each case in which it was counts as 0.

    Args:
        values: of the classes in the label maps; a list of several for a class that is made of them, or a region.
        ignore: value of reference voxels that count for nothing; None where there is none.
        closed: a reference value beside `values`, `ignore` and 0 is refused.
    """

    def __init__(
        self, values: Sequence[int | Sequence[int]], *, ignore: int | None = None, closed: bool = True
    ) -> None:
        super().__init__()
        self.values = [(value,) if isinstance(value, int) else tuple(value) for value in values]
        self.ignore, self.closed = ignore, closed

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: object) -> Tensor:
        """(N, classes, 2): Dice, not a number where neither has the class, and whether the reference has it."""
        assert y is not None
        rows = [self._case(prediction, reference) for prediction, reference in zip(y_pred, y, strict=True)]
        return torch.stack(rows)

    def _case(self, prediction: Tensor, reference: Tensor) -> Tensor:
        prediction, reference = torch.as_tensor(prediction).round(), torch.as_tensor(reference).round()
        if self.closed:
            known = {0, *(v for values in self.values for v in values), *([] if self.ignore is None else [self.ignore])}
            wrong = [f"{value:g}" for value in torch.unique(reference).tolist() if value not in known]
            if wrong:
                raise InputError(
                    f"a reference of the validation holds the value {wrong[0]}, which is no class "
                    f"({', '.join(map(str, sorted(known)))}); correct the label, or state the classes anew."
                )
        counted = torch.ones_like(reference, dtype=torch.bool) if self.ignore is None else reference != self.ignore
        rows = []
        for values in self.values:
            wanted = torch.tensor(values, dtype=reference.dtype, device=reference.device)
            drawn, true = torch.isin(prediction, wanted) & counted, torch.isin(reference, wanted)
            volume = int(drawn.sum()) + int(true.sum())
            dice = 2 * int((drawn & true).sum()) / volume if volume else math.nan
            rows.append([dice, float(true.any())])
        return torch.tensor(rows, dtype=torch.float32, device=prediction.device)

    def per_class(self) -> dict[tuple[int, ...], float]:
        """Values of a class → mean Dice over the cases; a class that no reference holds and nobody drew is left out."""
        table = torch.as_tensor(self.get_buffer()).reshape(-1, len(self.values), 2)
        means = {}
        for index, value in enumerate(self.values):
            dice, held = table[:, index, 0], table[:, index, 1] > 0
            if held.any():
                means[value] = float(dice.nan_to_num(nan=1.0).mean())
            elif (~dice.isnan()).any():
                means[value] = float(dice[~dice.isnan()].mean())
        return means

    def aggregate(self, *args: object, **kwargs: object) -> Tensor:
        """The mean over classes."""
        means = list(self.per_class().values())
        return torch.tensor(sum(means) / len(means) if means else math.nan)


def mean_class_dice(
    classes: int | None = None,
    *,
    values: Sequence[int | Sequence[int]] | None = None,
    ignore: int | None = None,
) -> IgniteMetricHandler:
    """`LabelDice` of label maps (1, *spatial) under "pred" and "label".

    Args:
        classes: number of classes with the background, whose values are 1 to `classes` - 1; or
        values: the values themselves.
        ignore: see `LabelDice`.
    """
    if (classes is None) == (values is None):
        raise InputError("mean_class_dice takes either the number of classes or their values.")
    wanted: list[int | Sequence[int]] = list(range(1, classes)) if classes is not None else list(values or ())
    return IgniteMetricHandler(
        metric_fn=LabelDice(wanted, ignore=ignore), output_transform=from_engine(["pred", "label"])
    )
