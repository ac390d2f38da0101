"""Measurements of single lesions against closed forms and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from nibabel.affines import from_matvec
from nibabel.eulerangles import euler2mat
from scipy.ndimage import gaussian_filter, label
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage import measure
from skimage.measure import find_contours, marching_cubes

from monai_unet.geometry.grid import Grid
from monai_unet.measurement.lesions import acquisition_axis, component_map, find_lesions

SAR = np.array([[0, 0, 0.8, 0], [0, 0.8, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1.0]])
"""Working frame, 3 mm slices, 0.8 mm in plane."""


def ellipsoid(shape: tuple[int, ...], centre_mm: list[float], radii_mm: list[float], affine: np.ndarray) -> np.ndarray:
    """Mask of an ellipsoid with axes along x, y, z in world mm."""
    world = np.einsum("ij,j...->i...", affine[:3, :3], np.indices(shape)) + affine[:3, 3].reshape(3, 1, 1, 1)
    scaled = (world - np.reshape(centre_mm, (3, 1, 1, 1))) / np.reshape(radii_mm, (3, 1, 1, 1))
    return ((scaled**2).sum(0) <= 1).astype(np.uint8)


def test_ellipsoid_has_the_axes_volume_and_centroid_of_its_formula() -> None:
    mask = ellipsoid((30, 70, 90), [36.0, 28.0, 42.0], [20.0, 12.0, 30.0], SAR)
    [lesion] = find_lesions(mask, SAR, value=1)
    assert lesion.normal_axis == 0
    assert lesion.long_axis.length_mm == pytest.approx(40, abs=0.81)
    assert lesion.short_axis.length_mm == pytest.approx(24, abs=0.81)
    assert lesion.longest_diameter.length_mm == pytest.approx(60, abs=3.0)
    assert lesion.volume_ml == pytest.approx(4 / 3 * np.pi * 20 * 12 * 30 / 1000, rel=0.02)
    assert lesion.centroid_mm == pytest.approx([36, 28, 42], abs=0.1)
    assert lesion.slice_index == 14  # the slice at z = 42 mm


def test_axes_end_where_they_should_and_are_perpendicular() -> None:
    mask = ellipsoid((30, 70, 90), [36.0, 28.0, 42.0], [20.0, 12.0, 30.0], SAR)
    [lesion] = find_lesions(mask, SAR, value=1)
    for axis in (lesion.long_axis, lesion.short_axis, lesion.longest_diameter):
        assert np.linalg.norm(axis.ends_mm[0] - axis.ends_mm[1]) == pytest.approx(axis.length_mm)
    assert lesion.long_axis.ends_mm[:, 2] == pytest.approx([42, 42])
    assert lesion.short_axis.ends_mm[:, 2] == pytest.approx([42, 42])
    assert sorted(lesion.long_axis.ends_mm[:, 0]) == pytest.approx([16, 56], abs=0.8)
    long, short = (axis.ends_mm[1] - axis.ends_mm[0] for axis in (lesion.long_axis, lesion.short_axis))
    assert long @ short == pytest.approx(0, abs=1e-6)


def test_lengths_do_not_change_when_the_scan_is_oblique() -> None:
    mask = ellipsoid((30, 70, 90), [36.0, 28.0, 42.0], [20.0, 12.0, 30.0], SAR)
    turned = from_matvec(euler2mat(0.4, -0.3, 0.2), [100, -50, 7]) @ SAR
    [straight] = find_lesions(mask, SAR, value=1)
    [oblique] = find_lesions(mask, turned, value=1)
    assert oblique.long_axis.length_mm == pytest.approx(straight.long_axis.length_mm)
    assert oblique.short_axis.length_mm == pytest.approx(straight.short_axis.length_mm)
    assert oblique.longest_diameter.length_mm == pytest.approx(straight.longest_diameter.length_mm)
    move = turned @ np.linalg.inv(SAR)
    assert oblique.centroid_mm == pytest.approx(move[:3, :3] @ straight.centroid_mm + move[:3, 3])


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 7), (1, 3, 4), (2, 1, 1)])
def test_a_box_of_a_few_voxels_has_lengths_of_whole_spacings(shape: tuple[int, int, int]) -> None:
    mask = np.zeros((5, 12, 12), np.uint8)
    mask[1 : 1 + shape[0], 2 : 2 + shape[1], 3 : 3 + shape[2]] = 1
    [lesion] = find_lesions(mask, SAR, value=1)
    rows, columns = shape[1] * 0.8, shape[2] * 0.8
    # face middles: the farthest pair is either straight across or between the middles of two opposite end faces
    diagonal = max(np.hypot(rows - 0.8, columns), np.hypot(rows, columns - 0.8))
    assert lesion.long_axis.length_mm == pytest.approx(diagonal)
    assert lesion.volume_ml == pytest.approx(np.prod(shape) * 0.8 * 0.8 * 3 / 1000)


@pytest.mark.parametrize("seed", range(4))
def test_diameters_equal_those_of_scikit_images_outlines(seed: int) -> None:
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(14, 40, 40)), (1.5, 4, 4))
    parts, _ = label(np.pad(field, 2, constant_values=-9) > np.quantile(field, 0.8))
    mask = (parts == np.bincount(parts.ravel())[1:].argmax() + 1).astype(np.uint8)
    [lesion] = find_lesions(mask, SAR, value=1)
    contours = [c * 0.8 for plane in mask for c in find_contours(plane, 0.5, fully_connected="high")]
    assert lesion.long_axis.length_mm == pytest.approx(max(pdist(points).max() for points in contours))
    vertices, *_ = marching_cubes(mask, 0.5, spacing=(3.0, 0.8, 0.8))
    assert lesion.longest_diameter.length_mm == pytest.approx(pdist(vertices).max(), rel=1e-5)


def test_components_are_numbered_by_falling_volume_with_the_asked_connectivity() -> None:
    mask = np.zeros((6, 6, 6), np.uint8)
    mask[0, 0, 0] = mask[1, 1, 1] = 1  # joined by a corner
    mask[4, 4, 2:5] = 1
    corners = component_map(mask)
    assert corners.max() == 2
    assert (corners[4, 4, 3], corners[0, 0, 0], corners[1, 1, 1]) == (1, 2, 2)
    assert component_map(mask, connectivity=6).max() == 3
    with pytest.raises(ValueError, match="6, 18 or 26"):
        component_map(mask, connectivity=8)


def test_intensity_is_that_of_the_lesions_voxels_only() -> None:
    labels = np.zeros((4, 8, 8), np.uint8)
    labels[1, 1:3, 1:3] = 2
    labels[2, 5:7, 5:7] = 1
    image = np.full(labels.shape, 1000.0)
    image[1, 1:3, 1:3] = [[10, 20], [30, 40]]
    [lesion] = find_lesions(labels, SAR, value=2, name="met", image=image[None])
    assert (lesion.label, lesion.name, lesion.voxels) == (2, "met", 4)
    assert lesion.intensity_mean == 25
    assert lesion.intensity_sd == pytest.approx(np.sqrt(125))


@pytest.mark.parametrize(
    ("spacing", "expected"), [((3, 0.8, 0.8), 0), ((1, 1, 1), 0), ((0.9, 4, 0.9), 1), ((0.9, 0.9, 5), 2)]
)
def test_slices_are_counted_along_the_thick_axis_or_head_to_feet(spacing: tuple[float, ...], expected: int) -> None:
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = spacing
    affine[3, 3] = 1
    assert acquisition_axis(Grid((5, 5, 5), affine)) == expected


def widest_chord(points: np.ndarray, ends: np.ndarray) -> float:
    """Longest chord of the convex hull of 2D points across the line between `ends`, by clipping many lines."""
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    across = np.array([-along[1], along[0]])
    planes = ConvexHull(points).equations  # inside: normal · x + offset <= 0
    best = 0.0
    for share in np.linspace(0, 1, 4001):
        start = ends[0] + share * (ends[1] - ends[0])
        slope, rest = planes[:, :2] @ across, planes[:, :2] @ start + planes[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            cuts = -rest / slope
        best = max(best, cuts[slope > 1e-12].min() - cuts[slope < -1e-12].max())
    return best


@pytest.mark.parametrize("seed", range(4))
def test_short_axis_is_the_widest_chord_across_the_long_one(seed: int) -> None:
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(40, 40)), 4)
    parts, _ = label(np.pad(field, 2, constant_values=-9) > np.quantile(field, 0.75))
    mask = np.zeros((3, *parts.shape), np.uint8)
    mask[1] = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    [lesion] = find_lesions(mask, SAR, value=1)
    outline = np.concatenate(find_contours(mask[1], 0.5)) * 0.8
    ends = lesion.long_axis.ends_mm[:, 1::-1]  # (anterior, right), as the outline's rows and columns
    assert lesion.short_axis.length_mm == pytest.approx(widest_chord(outline, ends), abs=0.02)
    assert lesion.short_axis.length_mm < lesion.long_axis.length_mm


@pytest.mark.parametrize(("connectivity", "ranks"), [(6, 1), (18, 2), (26, 3)])
def test_parts_are_those_of_scikit_image(connectivity: int, ranks: int) -> None:
    mask = np.random.default_rng(3).random((9, 14, 12)) < 0.2
    ours, theirs = component_map(mask, connectivity=connectivity), measure.label(mask, connectivity=ranks)
    assert ours.max() == theirs.max()
    assert len(np.unique(np.stack([ours[mask], theirs[mask]]), axis=1).T) == theirs.max()
    sizes = np.bincount(ours.ravel())[1:]
    assert list(sizes) == sorted(sizes, reverse=True)


def test_volume_centroid_and_intensity_are_those_of_scikit_image() -> None:
    mask = np.zeros((6, 20, 20), np.uint8)
    mask[1:4, 3:9, 2:8] = mask[2:5, 7:12, 6:15] = 1
    image = np.random.default_rng(1).normal(40, 12, mask.shape)
    [lesion] = find_lesions(mask, SAR, value=1, image=image)
    [region] = measure.regionprops(mask, intensity_image=image, spacing=(3.0, 0.8, 0.8))
    assert lesion.volume_ml == pytest.approx(region.area / 1000)
    assert lesion.centroid_mm[::-1] == pytest.approx(np.array(region.centroid))
    assert lesion.intensity_mean == pytest.approx(region.intensity_mean)
    assert lesion.intensity_sd == pytest.approx(region.intensity_std)
