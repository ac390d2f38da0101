"""Surface distances and surface metrics against MONAI, DeepMind's surface-distance and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import gaussian_filter

from monai_unet.evaluation import Surface, score_case

SPACINGS = [(1.0, 1.0, 1.0), (3.27, 0.98, 0.98), (0.7, 2.5, 0.35)]


def blobs(seed: int, shape: tuple[int, int, int] = (21, 34, 28)) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping smooth random shapes, some of them cut by the image border."""
    random = np.random.default_rng(seed)
    first = gaussian_filter(random.normal(size=shape), 2.5)
    second = first + 0.6 * gaussian_filter(random.normal(size=shape), 2.5)
    return tuple((f > np.quantile(f, 0.85)).astype(np.uint8) for f in (first, second))  # type: ignore[return-value]


def one_hot(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mask)[None, None].float()


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(3))
def test_voxel_surface_metrics_equal_monai(seed: int, spacing: tuple[float, float, float]) -> None:
    prediction, reference = blobs(seed)
    tolerance = 1.3
    [score] = score_case(
        prediction, reference, spacing=spacing, labels={1: "x"}, tolerance_mm=tolerance, surface="voxel"
    )
    a, b, kwargs = one_hot(prediction), one_hot(reference), {"include_background": True, "spacing": spacing}
    assd = compute_average_surface_distance(a, b, symmetric=True, **kwargs).item()
    # MONAI computes in single precision, so agreement is relative
    assert score.hd95_mm == pytest.approx(compute_hausdorff_distance(a, b, percentile=95, **kwargs).item(), rel=1e-6)
    assert score.assd_mm == pytest.approx(assd, rel=1e-6)
    assert score.nsd[0] == pytest.approx(compute_surface_dice(a, b, [tolerance], **kwargs).item(), abs=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(3))
def test_area_surface_metrics_equal_deepmind(seed: int, spacing: tuple[float, float, float]) -> None:
    deepmind = pytest.importorskip("surface_distance", reason="surface-distance is not installed")
    prediction, reference = blobs(seed)
    [score] = score_case(prediction, reference, spacing=spacing, labels={1: "x"}, tolerance_mm=(0.9, 2.2))
    distances = deepmind.compute_surface_distances(reference.astype(bool), prediction.astype(bool), spacing)
    assert score.hd95_mm == pytest.approx(deepmind.compute_robust_hausdorff(distances, 95), abs=1e-6)
    for tolerance, nsd in zip(score.tolerances_mm, score.nsd, strict=True):
        assert nsd == pytest.approx(deepmind.compute_surface_dice_at_tolerance(distances, tolerance), abs=1e-6)
    there, back = deepmind.compute_average_surface_distance(distances)
    weights = distances["surfel_areas_gt"].sum(), distances["surfel_areas_pred"].sum()
    assert score.assd_mm == pytest.approx((there * weights[0] + back * weights[1]) / sum(weights), abs=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_area_surface_dice_equals_monai_with_subvoxels(spacing: tuple[float, float, float]) -> None:
    prediction, reference = blobs(7)
    [score] = score_case(prediction, reference, spacing=spacing, labels={1: "x"}, tolerance_mm=1.1)
    expected = compute_surface_dice(
        one_hot(prediction), one_hot(reference), [1.1], include_background=True, spacing=spacing, use_subvoxels=True
    )
    assert score.nsd[0] == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("surface", list(Surface))
def test_distance_to_an_island_beyond_the_search_radius_is_exact(surface: Surface) -> None:
    """One voxel 60 mm away from a cube is missed: from there to the cube it is 60 mm, whatever the surface."""
    reference = np.zeros((10, 10, 90), np.uint8)
    reference[4:7, 4:7, 4:7] = 1
    prediction = reference.copy()
    prediction[5, 5, 66] = 1
    [score] = score_case(prediction, reference, spacing=(1, 1, 1), labels={1: "x"}, surface=surface)
    if surface is Surface.VOXEL:  # 26 boundary voxels of the cube, one of the island
        far, near, distance = 1.0, 2 * 26.0, 60.0
    else:  # an island of 8 corners, a cube of 8 corners, 24 edges and 24 faces; half the island at 59, half at 60 mm
        corner, edge = np.sqrt(3) / 8, np.sqrt(0.5)
        far, near, distance = 8 * corner, 2 * (8 * corner + 24 * edge + 24), 59.5
    assert score.assd_mm == pytest.approx(distance * far / (near + far), rel=1e-7)  # MONAI's areas are single precision
    assert score.nsd[0] == pytest.approx(near / (near + far), rel=1e-7)
    # less than a twentieth of the prediction's surface lies far away unless the island's share is above it
    share = far / (near / 2 + far)
    assert (score.hd95_mm > 50) == (share > 0.05)


@pytest.mark.parametrize(("axis", "expected"), [(0, 6.0), (1, 1.5), (2, 0.8)])
@pytest.mark.parametrize("surface", list(Surface))
def test_a_box_shifted_by_two_voxels_is_two_spacings_away(axis: int, expected: float, surface: Surface) -> None:
    reference = np.zeros((24, 24, 24), np.uint8)
    reference[8:16, 8:16, 8:16] = 1
    prediction = np.roll(reference, 2, axis=axis)
    tolerances = (expected * 0.99, expected)
    [score] = score_case(
        prediction, reference, spacing=(3.0, 0.75, 0.4), labels={1: "box"}, tolerance_mm=tolerances, surface=surface
    )
    assert score.hd95_mm == pytest.approx(expected)
    assert score.dice == pytest.approx(0.75)  # 6 of 8 slices shared
    assert score.nsd[0] < 1
    assert score.nsd[1] == 1


@pytest.mark.parametrize("surface", list(Surface))
def test_concentric_spheres_are_the_difference_of_their_radii_apart(surface: Surface) -> None:
    voxel = 0.5
    grid = np.stack(np.meshgrid(*[(np.arange(91) - 45.0) * voxel] * 3, indexing="ij"))
    radius = np.sqrt((grid**2).sum(0))
    small, large = (radius <= 16).astype(np.uint8), (radius <= 20).astype(np.uint8)
    [score] = score_case(
        small, large, spacing=(voxel,) * 3, labels={1: "sphere"}, tolerance_mm=(3.0, 5.0), surface=surface
    )
    # a voxelised surface is up to a voxel thick
    assert score.assd_mm == pytest.approx(4, abs=voxel)
    assert score.hd95_mm == pytest.approx(4, abs=voxel)
    assert score.nsd == (pytest.approx(0, abs=0.02), pytest.approx(1, abs=0.02))
    assert score.volume_ml == pytest.approx(4 / 3 * np.pi * 1.6**3, rel=0.01)
    assert score.dice == pytest.approx(2 * 16**3 / (16**3 + 20**3), rel=0.01)


def test_area_surface_does_not_depend_on_slice_thickness() -> None:
    """The same body sampled with doubled slices has the same surface Dice; the voxel surface changes its mind."""
    reference = np.zeros((16, 20, 20), np.uint8)
    reference[4:12, 5:15, 5:15] = 1
    prediction = reference.copy()
    prediction[4:12, 5:15, 13:15] = 0
    scores = {}
    for surface in Surface:
        [thin] = score_case(
            prediction.repeat(2, axis=0),
            reference.repeat(2, axis=0),
            spacing=(1, 1, 1),
            labels={1: "x"},
            surface=surface,
        )
        [thick] = score_case(prediction, reference, spacing=(2, 1, 1), labels={1: "x"}, surface=surface)
        scores[surface] = abs(thin.nsd[0] - thick.nsd[0])
    assert scores[Surface.AREA] < 0.02 < scores[Surface.VOXEL]


@pytest.mark.parametrize("surface", list(Surface))
def test_axis_order_does_not_matter_when_spacing_follows(surface: Surface) -> None:
    prediction, reference = blobs(3)
    spacing = (2.5, 0.8, 1.1)
    [score] = score_case(prediction, reference, spacing=spacing, labels={1: "x"}, surface=surface)
    [turned] = score_case(
        prediction.transpose(2, 0, 1),
        reference.transpose(2, 0, 1),
        spacing=(1.1, 2.5, 0.8),
        labels={1: "x"},
        surface=surface,
    )
    assert turned.hd95_mm == pytest.approx(score.hd95_mm)
    assert turned.assd_mm == pytest.approx(score.assd_mm)
    assert turned.nsd[0] == pytest.approx(score.nsd[0])
