"""Paired comparison, agreement and calibration against SciPy, statsmodels' formulas and MONAI."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
import torch
from monai.metrics.calibration import calibration_binning
from scipy.stats import wilcoxon

from monai_unet.errors import InputError
from monai_unet.evaluation.calibration import reliability
from monai_unet.evaluation.statistics import agreement, bootstrap_means, compare_paired, holm


def test_paired_comparison_finds_a_small_steady_difference_that_the_means_hide() -> None:
    first = np.random.default_rng(0).uniform(0.2, 0.95, 25)
    second = first + 0.01 + np.random.default_rng(1).normal(0, 0.004, 25)
    found = compare_paired(first, second)
    assert found.n == 25
    assert found.difference.low < 0.01 < found.difference.high
    assert found.difference.low > 0
    assert found.p_value == pytest.approx(wilcoxon(second, first, zero_method="pratt").pvalue)
    assert found.p_value < 0.001


@pytest.mark.parametrize(("n", "p_value"), [(1, 1.0), (5, 2 / 2**5), (8, 2 / 2**8)])
def test_p_value_of_a_few_cases_that_all_gained_is_the_share_of_sign_patterns(n: int, p_value: float) -> None:
    """All signs alike: of 2ⁿ equally likely patterns two are as extreme (Wilcoxon 1945)."""
    found = compare_paired(np.zeros(n), np.arange(1, n + 1) / 10)
    assert found.p_value == pytest.approx(p_value)
    assert (found.better, found.worse) == (n, 0)


def test_equal_models_are_not_different_and_cases_without_a_value_are_left_out() -> None:
    found = compare_paired([0.5, 0.7, np.nan], [0.5, 0.7, 0.9])
    assert (found.n, found.p_value, found.difference.mean) == (2, 1.0, 0.0)
    assert isnan(compare_paired([np.nan], [1.0]).p_value)


def test_holm_adjusts_as_in_the_textbook_example() -> None:
    # Holm 1979 by hand: 0.01·4, 0.02·3, max(0.06, 0.03·2), max(0.06, 0.04·1)
    assert holm([0.04, 0.01, np.nan, 0.02, 0.03]) == pytest.approx([0.06, 0.04, np.nan, 0.06, 0.06], nan_ok=True)


def test_bland_altman_by_hand() -> None:
    found = agreement([11, 10, 14], [10, 10, 10])
    deviation = np.sqrt(((1 - 5 / 3) ** 2 + (5 / 3) ** 2 + (4 - 5 / 3) ** 2) / 2)
    assert found.bias == pytest.approx(5 / 3)
    assert (found.low, found.high) == pytest.approx((5 / 3 - 1.96 * deviation, 5 / 3 + 1.96 * deviation))


def test_bootstrap_covers_the_true_mean_about_nineteen_times_in_twenty() -> None:
    random = np.random.default_rng(5)
    means = [bootstrap_means(random.normal(3, 1, (30, 1)), resamples=400, seed=n)[:, 0] for n in range(200)]
    covered = np.mean([np.quantile(m, 0.025) <= 3 <= np.quantile(m, 0.975) for m in means])
    assert 0.88 <= covered <= 0.99


def test_calibration_error_equals_monais_binning_and_cases_add_up() -> None:
    random = np.random.default_rng(2)
    probabilities = random.random((2, 6, 8, 8))
    truth = random.random(probabilities.shape) < probabilities**2
    parts = [reliability(p, t, bins=10) for p, t in zip(probabilities, truth, strict=True)]
    total = parts[0] + parts[1]
    confidence, frequency, counts = calibration_binning(
        torch.from_numpy(probabilities.reshape(1, 1, -1, 1)),
        torch.from_numpy(truth.reshape(1, 1, -1, 1)).float(),
        num_bins=10,
        right=True,
    )
    assert total.confidence == pytest.approx(confidence[0, 0].numpy(), abs=1e-6)
    assert total.frequency == pytest.approx(frequency[0, 0].numpy(), abs=1e-6)
    gap = (confidence - frequency).abs()[0, 0].numpy()
    assert total.ece == pytest.approx(float((gap * counts[0, 0].numpy()).sum() / counts.sum()), abs=1e-6)


def test_perfectly_sure_and_right_probabilities_have_no_calibration_error() -> None:
    truth = np.array([0, 1, 1, 0])
    assert reliability(truth.astype(float), truth).ece == 0
    assert reliability(np.full(4, 0.5), truth).ece == 0
    assert reliability(1.0 - truth, truth).ece == 1


def test_calibration_error_without_the_background_of_which_every_model_is_sure() -> None:
    """96 voxels of 0.01 without foreground; 4 of 0.8, of which 2 are: gaps 0.01 and 0.3."""
    found = reliability([0.01] * 96 + [0.8] * 4, [0] * 98 + [1] * 2)
    assert found.ece == pytest.approx(0.96 * 0.01 + 0.04 * 0.3)
    assert found.ece_above_lowest == pytest.approx(0.3)
    assert isnan(reliability([0.01], [0]).ece_above_lowest)


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.5])
def test_what_is_no_probability_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="1 of 3 probabilities"):
        reliability([0.1, bad, 0.2], [0, 1, 0])
