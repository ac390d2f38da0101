"""The rows of one case: overlap, volumes, the policy for empty masks, and what is refused."""

from __future__ import annotations

from math import isnan, sqrt

import numpy as np
import pytest
import torch
from monai.metrics import compute_confusion_matrix_metric, compute_dice, compute_iou, get_confusion_matrix
from monai.networks import one_hot

from monai_unet.errors import InputError
from monai_unet.evaluation import Status, score_case

LABELS = {0: "background", 1: "liver", 2: "tumour"}


def test_overlap_metrics_equal_monai_for_each_class() -> None:
    random = np.random.default_rng(0)
    reference = random.integers(0, 3, (6, 7, 8)).astype(np.uint8)
    prediction = np.where(random.random(reference.shape) < 0.3, random.integers(0, 3, reference.shape), reference)
    scores = score_case(prediction.astype(np.int16), reference, spacing=(1, 1, 1), labels=LABELS)
    masks = [one_hot(torch.from_numpy(array.astype(float))[None, None], 3)[:, 1:] for array in (prediction, reference)]
    confusion = get_confusion_matrix(*masks)
    expected = {
        "dice": compute_dice(*masks),
        "iou": compute_iou(*masks),
        "precision": compute_confusion_matrix_metric("precision", confusion),
        "recall": compute_confusion_matrix_metric("recall", confusion),
    }
    for name, values in expected.items():
        assert [getattr(score, name) for score in scores] == pytest.approx(values[0].tolist(), rel=1e-6), name


def test_volumes_are_voxels_times_spacing_in_millilitres() -> None:
    prediction, reference = np.zeros((2, 10, 10, 10), np.uint8)
    prediction[:2, :5, :5] = 1
    reference[:2, :5, :6] = 1
    [score] = score_case(prediction, reference, spacing=(5.0, 0.5, 0.8), labels={1: "x"})
    assert score.volume_ml == pytest.approx(50 * 2.0 / 1000)
    assert score.volume_difference_ml == pytest.approx(-10 * 2.0 / 1000)


def test_a_missed_or_invented_structure_scores_zero_and_the_diagonal() -> None:
    empty, full = np.zeros((2, 10, 20, 30), np.uint8)
    full[3:5, 3:5, 3:5] = 1
    for prediction, reference, status in ((empty, full, Status.MISSED), (full, empty, Status.SPURIOUS)):
        [score] = score_case(prediction, reference, spacing=(2, 1, 0.5), labels={1: "x"}, tolerance_mm=(1, 2))
        assert score.status is status
        assert (score.dice, score.iou, score.precision, score.recall, *score.nsd) == (0, 0, 0, 0, 0, 0)
        assert score.hd95_mm == score.assd_mm == pytest.approx(sqrt(20**2 + 20**2 + 15**2))


def test_both_empty_is_a_status_and_has_no_numbers() -> None:
    empty = np.zeros((4, 4, 4), np.uint8)
    [score] = score_case(empty, empty, spacing=(1, 1, 1), labels={1: "x"})
    assert score.status is Status.BOTH_EMPTY
    assert all(isnan(v) for v in (score.dice, score.hd95_mm, score.assd_mm, *score.nsd))
    assert score.volume_ml == score.reference_volume_ml == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64])
def test_a_value_without_a_name_is_refused_by_value_and_side(dtype: type) -> None:
    reference = np.ones((3, 3, 3), dtype)
    prediction = reference.copy()
    prediction[0, 0, 0] = 7
    with pytest.raises(InputError, match="The prediction holds label value 7, and the labels are 1 liver"):
        score_case(prediction, reference, spacing=(1, 1, 1), labels={1: "liver"})
    with pytest.raises(InputError, match="The reference holds label value 7"):
        score_case(reference, prediction, spacing=(1, 1, 1), labels={1: "liver"})


def test_unnamed_values_inside_the_range_of_the_labels_are_refused_too() -> None:
    reference = np.full((3, 3, 3), 2, np.uint8)
    with pytest.raises(InputError, match="values 1, 2"):
        score_case(np.indices((3, 3, 3))[0], reference * 0, spacing=(1, 1, 1), labels={5: "a"})


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (np.zeros((3, 3, 4), np.uint8), "shape"),
        (np.zeros((3, 3, 3), np.float32), "whole numbers"),
        (np.full((3, 3, 3), -1, np.int16), "negative label -1"),
    ],
)
def test_what_is_no_label_map_is_refused(prediction: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_case(prediction, np.zeros((3, 3, 3), np.uint8), spacing=(1, 1, 1), labels={1: "x"})


@pytest.mark.parametrize("spacing", [(1, 1), (0, 1, 1), (float("nan"), 1, 1), (1, -1, 1)])
def test_spacing_must_be_three_positive_lengths(spacing: tuple[float, ...]) -> None:
    mask = np.ones((3, 3, 3), np.uint8)
    with pytest.raises(InputError, match="spacing must be three positive lengths"):
        score_case(mask, mask, spacing=spacing, labels={1: "x"})


def test_a_leading_channel_axis_is_accepted() -> None:
    mask = np.zeros((1, 5, 5, 5), np.uint8)
    mask[0, 2:4, 2:4, 2:4] = 1
    [score] = score_case(mask, mask, spacing=(1, 1, 1), labels={1: "x"})
    assert score.dice == 1
    assert score.hd95_mm == score.assd_mm == 0
