"""Training windows with an object that nobody outlined: a drawn lesion, a piece of even tissue, a piece of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_opening, gaussian_filter, label
from torch.nn import functional as F


@dataclass(eq=False)
class Sample:
    """One window.

    Attributes:
        image, target: (S, A, R) intensities and object, of the window's size.
        click: where the first click may fall, (3,) voxel indices of the window.
        known: the voxels that lie in the image; beyond, nothing is asked and nothing learnt. None: all.
        spacing: mm from one voxel to the next, or anything in proportion.
    """

    image: NDArray[np.float32]
    target: NDArray[np.bool_]
    click: NDArray[np.float64] | None = None
    known: NDArray[np.bool_] | None = None
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)


def drawn_lesion(image: NDArray[np.float32], random: np.random.Generator, *, others: bool = True) -> Sample:
    """The image with a lesion painted in: a bumpy or fingered ellipsoid, brighter or darker, textured, sometimes with
    a rim, which is then the object or a part of it, sometimes (with `others`) beside another lesion.

    Both (S, A, R): standardised intensities, and the mask of the object.
    """
    if others and random.random() < 0.3:
        image = drawn_lesion(image, random, others=False).image
    size = image.shape[0]
    axes = [np.arange(n, dtype=np.float32) for n in image.shape]
    centre = random.uniform(0.25, 0.75, 3) * size
    radii = size * np.exp(random.uniform(np.log(0.06), np.log(0.35))) * random.uniform(0.6, 1.5, 3)
    parts = [((axis - c) / r) ** 2 for axis, c, r in zip(axes, centre, radii, strict=True)]
    fingered = random.random() < 0.3
    scale, height = (0.3, 0.7) if fingered else (random.uniform(0.06, 0.2) * size / radii.mean(), 0.4)
    bumps = noise(image.shape, max(1.5, scale * radii.mean()), random) * random.uniform(0.05, height)
    level = 1 - np.sqrt(parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :]) + bumps
    target = _largest_piece(level > 0)
    edge = random.uniform(0.05, 0.3)
    alpha = (level / edge + 0.5).clip(0, 1) if random.random() < 0.7 else target.astype(np.float32)
    local = image[target] if target.any() else image
    unit = max(float(np.percentile(image, 90) - np.percentile(image, 10)), 1e-3)
    contrast = random.choice([-1, 1]) * np.exp(random.uniform(np.log(0.15), np.log(1.2))) * unit
    paint = (
        float(np.median(local))
        + contrast
        + noise(image.shape, random.uniform(0.5, 4), random) * random.uniform(0, 0.25) * unit
    )
    if random.random() < 0.4:
        core = level + 0.3 * random.random() * bumps > random.uniform(0.15, 0.55)
        paint = np.where(
            gaussian_filter(core.astype(np.float32), 0.7) > 0.5, paint - contrast * random.uniform(0.5, 1.6), paint
        )
        if random.random() < 0.5:
            target = _largest_piece(target & ~core)
    keep = random.uniform(0, 0.6)
    mixed = (1 - keep) * paint + keep * (image + contrast)
    return Sample((image * (1 - alpha) + alpha * mixed).astype(np.float32), target)


def scene(size: int, random: np.random.Generator) -> Sample | None:
    """A wholly invented image of several even or textured tissues with blurred borders, one piece of which is the
    object: nothing of anatomy can be learnt from it, only what borders are (Billot et al. 2023, "SynthSeg")."""
    shape = (size, size, size)
    count = int(random.integers(2, 7))
    scale = size * random.uniform(0.12, 0.4)
    fields = [noise(shape, scale * random.uniform(0.6, 1.6), random) for _ in range(count)]
    tissue = np.argmax(fields, axis=0)
    levels = random.uniform(0, 1, count)
    texture = noise(shape, random.uniform(0.5, 5), random) * random.uniform(0, 0.12)
    image = levels[tissue].astype(np.float32) + texture * random.uniform(0, 1, count)[tissue].astype(np.float32)
    if random.random() < 0.7:
        image = gaussian_filter(image, random.uniform(0.4, 1.2))
    pieces = label(tissue == random.integers(count))[0]
    sizes = np.bincount(pieces.ravel())[1:]
    fitting = np.flatnonzero((sizes >= 40) & (sizes < 0.4 * tissue.size)) + 1
    if not len(fitting):
        return None
    return Sample(image.astype(np.float32), pieces == random.choice(fitting))


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, count = label(mask)
    return mask if count < 2 else pieces == np.bincount(pieces.ravel())[1:].argmax() + 1


def even_tissue(image: NDArray[np.float32], random: np.random.Generator) -> Sample | None:
    """A connected piece of the image whose smoothed intensity stays near that of a random voxel of it.

    Image and mask (S, A, R).
    """
    smooth = gaussian_filter(image, random.uniform(0.6, 1.8))
    seed = tuple(random.integers(image.shape[0] // 5, image.shape[0] - image.shape[0] // 5, size=3))
    unit = max(float(np.percentile(image, 90) - np.percentile(image, 10)), 1e-3)
    near = np.abs(smooth - smooth[seed]) < random.uniform(0.06, 0.25) * unit
    pieces = label(binary_opening(near, iterations=int(random.integers(1, 3))))[0]
    if not pieces[seed]:
        return None
    target = pieces == pieces[seed]
    return Sample(image, target) if 40 < target.sum() < 0.4 * target.size else None


def noise(shape: Sequence[int], scale: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise of mean 0 and standard deviation 1, with structure of about `scale` voxels."""
    coarse = max(2, round(shape[0] / max(scale, 1)))
    field = torch.from_numpy(random.normal(size=(1, 1, coarse, coarse, coarse)).astype(np.float32))
    smooth = F.interpolate(field, size=tuple(shape), mode="trilinear", align_corners=True)[0, 0].numpy()
    return (smooth - smooth.mean()) / max(float(smooth.std()), 1e-6)
