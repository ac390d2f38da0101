"""The pieces of lesion synthesis against formulas."""

import numpy as np
import pytest

from monai_unet.transforms.lesion_synthesis_shape import KINDS, LesionPart, core_field, core_parts, label_map
from monai_unet.transforms.lesion_synthesis_spread import pushed, travel_distance
from monai_unet.transforms.random_fields import between_log, smooth_noise


def test_distance_through_a_uniform_medium_is_the_euclidean_one():
    source = np.zeros((25, 25, 25), dtype=bool)
    source[12, 12, 12] = True
    spacing = np.array([2.0, 1.0, 1.5])
    found = travel_distance(source, np.ones(source.shape, dtype=np.float32), spacing)
    true = np.linalg.norm((np.indices(source.shape).reshape(3, -1).T - 12) * spacing, axis=1).reshape(source.shape)
    # a first-order upwind scheme from a point: a few per cent too far along diagonals, exact along the axes
    assert np.abs(found - true).max() < 0.08 * true.max()
    np.testing.assert_allclose(found[12, 12], np.abs(np.arange(25) - 12) * 1.5, atol=1e-4)


def test_a_slow_layer_costs_what_its_slowness_says():
    slowness = np.ones((3, 3, 30), dtype=np.float32)
    slowness[:, :, 10:15] = 6
    source = np.zeros(slowness.shape, dtype=bool)
    source[:, :, 0] = True
    found = travel_distance(source, slowness, (1.0, 1.0, 1.0))
    assert found[1, 1, 29] == pytest.approx(24 + 5 * 6, abs=1e-3)


def test_mass_effect_moves_outwards_by_the_stated_amount():
    """A bright plane at r = σ appears `largest` further out; the middle and the far end stay."""
    line = np.zeros((1, 5, 5, 81), dtype=np.float32)
    line[0, :, :, 40 + 10] = 1
    moved = pushed(line, (1.0, 1.0, 1.0), (2, 2, 40), 3.0, 10.0)
    at = float((moved[0, 2, 2] * np.arange(81)).sum() / moved[0, 2, 2].sum())
    # where x - u(x) = 10 with u(x) = 3 x/10 exp(1/2 - x²/200), solved by hand: x = 12.87
    assert at - 40 == pytest.approx(12.87, abs=0.3)
    still = pushed(line, (1.0, 1.0, 1.0), (2, 2, 40), 0.0, 10.0)
    assert np.array_equal(still, line)


def test_noise_has_its_variance_and_correlation_length():
    random = np.random.RandomState(0)
    short, long = (smooth_noise((40, 40, 40), (2.0, 2.0, 2.0), length, random) for length in (4.0, 20.0))
    for field in (short, long):
        assert field.mean() == pytest.approx(0, abs=1e-4)
        assert field.std() == pytest.approx(1, abs=1e-4)
    # neighbours are the more alike the longer the correlation
    alike = [np.corrcoef(f[:, :, :-1].ravel(), f[:, :, 1:].ravel())[0, 1] for f in (short, long)]
    assert alike[1] > 0.9 > alike[0]


def test_log_uniform_numbers_have_the_median_of_their_limits():
    random = np.random.RandomState(0)
    drawn = [between_log(random, (1.0, 100.0)) for _ in range(2000)]
    assert np.median(drawn) == pytest.approx(10, rel=0.2)
    assert min(drawn) >= 1
    assert max(drawn) <= 100


def test_the_rim_encloses_the_core_and_the_radius_is_kept():
    kind = KINDS["glioblastoma"]
    random = np.random.RandomState(1)
    shape, spacing, radius = (60, 60, 60), (1.0, 1.0, 1.0), 14.0
    depth = core_field(shape, spacing, (30, 30, 30), radius, kind, random)
    volume = float((depth > 0).sum())
    assert 0.1 < volume / (4 / 3 * np.pi * radius**3) < 4
    parts = core_parts(depth, spacing, radius, kind, np.random.RandomState(4))
    assert set(np.unique(parts)) <= {0, *map(int, LesionPart)} - {int(LesionPart.OEDEMA)}
    enhancing, dead = parts == LesionPart.ENHANCING, parts == LesionPart.NECROSIS
    if enhancing.any() and dead.any():
        assert depth[enhancing].mean() < depth[dead].mean()
    assert set(np.unique(label_map(parts))) <= {0, 1, 3}
