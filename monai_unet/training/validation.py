"""The metric that selects the best weights."""

from __future__ import annotations

from monai.handlers import IgniteMetricHandler, from_engine
from monai.metrics import DiceMetric


def mean_class_dice(classes: int) -> IgniteMetricHandler:
    """Mean Dice over cases and foreground classes, from label maps (1, *spatial) under "pred" and "label".

    A class that only one of the two has counts as 0, one that neither has as 1: no case is dropped from the mean.
    """
    return IgniteMetricHandler(
        metric_fn=DiceMetric(include_background=False, num_classes=classes, ignore_empty=False),
        output_transform=from_engine(["pred", "label"]),
    )
