"""Lesion-wise scores of a corrupted copy whose every number is worked out by hand, and against MONAI and panoptica."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf, isnan

import numpy as np
import pytest
import torch
from monai.metrics.panoptic_quality import compute_panoptic_quality
from skimage import measure

from monai_unet.evaluation.detection import (
    LesionRecord,
    detection,
    detection_by_size,
    match_lesions,
    merges,
    panoptic_quality,
    splits,
)
from monai_unet.evaluation.lesion_summary import lesion_summary
from monai_unet.measurement.lesions import component_map, measure_lesions

AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]


def match(prediction: np.ndarray, reference: np.ndarray, **kwargs: float) -> list[LesionRecord]:
    parts = component_map(prediction), component_map(reference)
    lesions = [measure_lesions(part, AFFINE, normal_axis=0) for part in parts]
    return match_lesions(*parts, *lesions, case="c", **kwargs)


def corrupted() -> tuple[np.ndarray, np.ndarray]:
    """Four reference boxes; the prediction has A right, B split, C missed, D cut to a quarter, and invents E."""
    prediction, reference = np.zeros((2, 20, 60, 60), np.uint8)
    reference[2:6, 2:8, 2:8] = 1  # A, 144 voxels, 6 mm
    prediction[2:6, 2:8, 2:8] = 1
    reference[2:6, 20:26, 20:44] = 1  # B, 576 voxels, 24 mm
    prediction[2:6, 20:26, 20:35] = 1  # 360 voxels, 15 mm
    prediction[2:6, 20:26, 36:44] = 1  # 192 voxels, 8 mm
    reference[10:12, 40:43, 40:43] = 1  # C, 18 voxels, 3 mm
    reference[10:14, 2:10, 2:10] = 1  # D, 256 voxels, 8 mm
    prediction[10:14, 2:6, 2:6] = 1  # 64 voxels, 4 mm
    prediction[16:18, 50:53, 2:5] = 1  # E, 18 voxels, 3 mm
    return prediction, reference


def test_missed_split_cut_and_false_lesions_are_counted_by_hand() -> None:
    found = match(*corrupted())
    counts = detection(found)
    assert (counts.reference, counts.detected, counts.prediction, counts.right) == (4, 3, 5, 4)
    assert counts.sensitivity == 0.75
    assert counts.precision == 0.8
    assert counts.f1 == pytest.approx(2 * 0.75 * 0.8 / 1.55)
    assert (splits(found), merges(found)) == (1, 0)


def test_a_lesion_covered_too_little_is_not_detected() -> None:
    found = match(*corrupted(), min_coverage=0.3)  # D is covered by a quarter; its predicted piece is right
    assert detection(found).detected == 2
    assert detection(found).right == 4


def test_detection_by_size_puts_each_lesion_in_its_own_class() -> None:
    by_size = detection_by_size(match(*corrupted()))
    found = {k: (v.reference, v.detected, v.prediction, v.right) for k, v in by_size.items()}
    # long axes: reference A √(6²+5²) = 7.8, B √(24²+5²) = 24.5, C 3.6, D √(8²+7²) = 10.6 mm;
    # prediction A 7.8, B √(15²+5²) = 15.8 and √(8²+5²) = 9.4, D √(4²+3²) = 5, E 3.6 mm
    assert found == {
        (0.0, 5.0): (1, 0, 1, 0),
        (5.0, 10.0): (1, 1, 3, 3),
        (10.0, 20.0): (1, 1, 1, 1),
        (20.0, inf): (1, 1, 0, 0),
    }
    assert isnan(by_size[(20.0, inf)].precision)


def test_panoptic_quality_by_hand() -> None:
    quality = panoptic_quality(match(*corrupted()))
    # pairs above IoU 0.5: A (1) and the larger piece of B (360 / 576)
    assert (quality.pairs, quality.false_positives, quality.false_negatives) == (2, 3, 2)
    assert quality.sq == pytest.approx((1 + 0.625) / 2)
    assert quality.rq == pytest.approx(2 / (2 + 1.5 + 1))
    assert quality.pq == pytest.approx(quality.sq * quality.rq)


def shifted_boxes() -> tuple[np.ndarray, np.ndarray]:
    """Five boxes, each moved by up to a voxel on either side, one of them gone from the prediction."""
    random = np.random.default_rng(4)
    prediction, reference = np.zeros((2, 16, 40, 40), np.uint8)
    for corner in [(2, 2, 2), (2, 2, 20), (2, 20, 2), (2, 20, 20), (10, 10, 30)]:
        for volume in (prediction, reference):
            at = np.array(corner) + random.integers(0, 2, 3)
            volume[at[0] : at[0] + 5, at[1] : at[1] + 8, at[2] : at[2] + 8] = 1
    prediction[2:8, 20:30, 2:12] = 0
    return prediction, reference


@pytest.mark.parametrize("make", [corrupted, shifted_boxes])
def test_panoptic_quality_equals_monai(make: Callable[[], tuple[np.ndarray, np.ndarray]]) -> None:
    prediction, reference = make()
    ours = panoptic_quality(match(prediction, reference))
    # (1, 2, S, A, R): instance numbers and their class, from scikit-image
    volumes = [
        torch.from_numpy(np.stack([measure.label(volume, connectivity=3), volume])[None].astype(np.int64))
        for volume in (prediction, reference)
    ]
    for name, value in {"rq": ours.rq, "sq": ours.sq, "pq": ours.pq}.items():
        theirs = compute_panoptic_quality(
            volumes[0][0, 0], volumes[1][0, 0], metric_name=name, match_iou_threshold=0.5, smooth_numerator=0
        )
        assert value == pytest.approx(float(theirs), rel=1e-5), name


def test_panoptic_quality_equals_panoptica() -> None:
    panoptica = pytest.importorskip("panoptica", reason="panoptica is not installed")
    prediction, reference = shifted_boxes()
    ours = panoptic_quality(match(prediction, reference))
    evaluator = panoptica.Panoptica_Evaluator(
        expected_input=panoptica.InputType.SEMANTIC,
        instance_approximator=panoptica.ConnectedComponentsInstanceApproximator(),
        instance_matcher=panoptica.NaiveThresholdMatching(matching_threshold=0.5),
    )
    theirs = evaluator.evaluate(prediction, reference, verbose=False)["ungrouped"]
    assert (ours.pairs, ours.false_positives, ours.false_negatives) == (theirs.tp, theirs.fp, theirs.fn)
    assert ours.sq == pytest.approx(theirs.sq)
    assert ours.rq == pytest.approx(theirs.rq)
    assert ours.pq == pytest.approx(theirs.pq)


def test_a_data_set_is_the_sum_of_its_cases() -> None:
    cases = [match(*make()) for make in (corrupted, shifted_boxes)]
    cases.append(match(*np.zeros((2, 4, 4, 4), np.uint8)))
    parts = [lesion_summary(records, name="x") for records in cases]
    whole = lesion_summary([record for records in cases for record in records], name="x")
    assert parts[0] + parts[1] + parts[2] == replace(whole, panoptic=(parts[0] + parts[1] + parts[2]).panoptic)
    for name in ("pairs", "false_positives", "false_negatives", "sq", "rq", "pq"):
        found = getattr((parts[2] + parts[0] + parts[1]).panoptic, name)
        assert found == pytest.approx(getattr(whole.panoptic, name)), name
    assert isnan((parts[2] + parts[2]).panoptic.pq)


def test_two_lesions_joined_by_the_prediction_are_a_merge() -> None:
    prediction, reference = np.zeros((2, 6, 12, 30), np.uint8)
    reference[1:4, 2:8, 2:10] = reference[1:4, 2:8, 14:22] = 1
    prediction[1:4, 2:8, 2:22] = 1
    found = match(prediction, reference)
    assert (splits(found), merges(found)) == (0, 1)
    assert detection(found).f1 == 1


def test_no_lesion_anywhere_has_no_score_and_lesions_on_one_side_score_zero() -> None:
    empty, one = np.zeros((2, 5, 9, 9), np.uint8)
    one[2, 2:5, 2:5] = 1
    assert isnan(detection(match(empty, empty)).f1)
    assert isnan(panoptic_quality(match(empty, empty)).pq)
    for pair in ((empty, one), (one, empty)):
        assert detection(match(*pair)).f1 == 0
        assert panoptic_quality(match(*pair)).pq == 0
