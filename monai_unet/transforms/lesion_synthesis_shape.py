"""Where a synthetic lesion is: sums of deformed ellipsoids with an uneven surface, and the parts inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from monai_unet.transforms.random_fields import FloatArray, between, between_log, smooth_noise


class LesionPart(IntEnum):
    """Parts of a lesion; the first three numbers are those of the BraTS label map (2023: 1 NCR, 2 ED, 3 ET)."""

    CORE = 1
    OEDEMA = 2
    ENHANCING = 3
    NECROSIS = 4


LABELS = {1: "necrotic and non-enhancing core", 2: "oedema", 3: "enhancing tumour"}
"""Names of the values of the label map."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """What lesions of a kind look like; every pair is a range, lengths in mm.

    Attributes:
        radius: of the core.
        ellipsoids: how many are joined to one core.
        roughness: amplitude of the uneven surface, in radii.
        satellites: further, smaller lesions around the first.
        enhances: probability that any part takes up contrast agent.
        solid: probability that, where it enhances, it does so as a whole and not as a rim.
        rim: thickness of the enhancing rim.
        necrosis: share of what is not rim that is necrotic, the rest being non-enhancing tumour.
        margin: non-enhancing tumour around the rim.
        oedema: how far it spreads along white matter.
        oedema_probability: that there is any.
        push: mass effect, the largest displacement in radii.
    """

    radius: Range
    ellipsoids: tuple[int, int] = (1, 4)
    roughness: Range = (0.1, 0.45)
    satellites: tuple[int, int] = (0, 0)
    enhances: float = 1.0
    solid: float = 0.2
    rim: Range = (2.0, 8.0)
    necrosis: Range = (0.2, 1.0)
    margin: Range = (0.0, 4.0)
    oedema: Range = (5.0, 35.0)
    oedema_probability: float = 0.95
    push: Range = (0.0, 0.35)


KINDS: dict[str, Kind] = {
    "glioblastoma": Kind(radius=(8.0, 28.0), satellites=(0, 2)),
    "low_grade_glioma": Kind(
        radius=(12.0, 32.0), enhances=0.25, rim=(1.0, 5.0), necrosis=(0.0, 0.3), margin=(0.0, 8.0),
        oedema=(2.0, 14.0), oedema_probability=0.7, push=(0.0, 0.25),
    ),
    "metastases": Kind(
        radius=(3.0, 13.0), ellipsoids=(1, 2), roughness=(0.05, 0.2), satellites=(0, 5), solid=0.4,
        rim=(1.0, 4.0), margin=(0.0, 0.0), oedema=(4.0, 28.0), oedema_probability=0.85, push=(0.0, 0.3),
    ),
    "nodule": Kind(
        radius=(3.0, 18.0), ellipsoids=(1, 3), satellites=(0, 2), enhances=0.0, necrosis=(0.0, 0.0),
        margin=(0.0, 0.0), oedema_probability=0.0, push=(0.0, 0.1),
    ),
    "liver_metastases": Kind(
        radius=(4.0, 25.0), ellipsoids=(1, 3), roughness=(0.05, 0.25), satellites=(0, 5), enhances=0.4, rim=(1.0, 3.0),
        solid=0.0, necrosis=(0.2, 1.0), margin=(0.0, 0.0), oedema_probability=0.0, push=(0.0, 0.15),
    ),
}  # fmt: skip
"""Name → kind; "glioma" of `RandSynthesiseLesionsd` draws one of the first three."""


def core_field(
    shape: Sequence[int],
    spacing: Sequence[float],
    centre: Sequence[float],
    radius: float,
    kind: Kind,
    random: RandomState,
) -> FloatArray:
    """Depth inside a core, (S, A, R), in radii: 1 in the middle, 0 on the surface, negative outside.

    Args:
        shape, spacing: of the grid, voxels and mm.
        centre: in voxels of the grid.
        radius: in mm.
        kind: gives the number of ellipsoids and the roughness.
        random: source of the numbers.
    """
    millimetres = np.stack(
        np.meshgrid(*((np.arange(n) - c) * s for n, c, s in zip(shape, centre, spacing, strict=True)), indexing="ij")
    ).astype(np.float32)
    count = random.randint(kind.ellipsoids[0], kind.ellipsoids[1] + 1)
    inside = np.full(tuple(shape), -np.inf, dtype=np.float32)
    for number in range(count):
        inside = np.maximum(inside, _ellipsoid(millimetres, radius, random, first=number == 0))
    roughness = between(random, kind.roughness)
    uneven = smooth_noise(shape, spacing, 0.9 * radius, random) + 0.4 * smooth_noise(
        shape, spacing, max(0.3 * radius, 2.0), random
    )
    return (inside + roughness * uneven).astype(np.float32)


def _ellipsoid(millimetres: FloatArray, radius: float, random: RandomState, *, first: bool) -> FloatArray:
    turned, _ = np.linalg.qr(random.standard_normal((3, 3)))
    share = 1.0 if first else between(random, (0.45, 0.85))
    axes = radius * share * random.uniform(0.7, 1.2, 3)
    offset = np.zeros(3) if first else _direction(random) * radius * between(random, (0.4, 0.9))
    scaled = (turned / axes).T.astype(np.float32)
    flat = millimetres.reshape(3, -1) - offset.astype(np.float32)[:, None]
    distance = np.sqrt(np.square(scaled @ flat).sum(0)).reshape(millimetres.shape[1:])
    return ((1 - distance) * share).astype(np.float32)


def _direction(random: RandomState) -> NDArray[np.float64]:
    vector = random.standard_normal(3)
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def core_parts(
    depth: FloatArray, spacing: Sequence[float], radius: float, kind: Kind, random: RandomState
) -> NDArray[np.uint8]:
    """Parts of a core from its depth in radii: a map (S, A, R) of `LesionPart` values, 0 outside.

    An uneven rim (it may be broken) encloses necrosis or non-enhancing tumour; a margin of non-enhancing tumour may
    lie around it.

    `spacing` in mm, `radius` in mm.
    """
    inside = depth > 0
    parts = np.zeros(depth.shape, dtype=np.uint8)
    margin = between(random, kind.margin) / radius
    parts[(depth > -margin) & ~inside] = LesionPart.CORE
    share = between(random, kind.necrosis)
    patches = smooth_noise(depth.shape, spacing, max(0.6 * radius, 3.0), random)
    necrotic = inside & (patches <= _quantile_of_normal(share))
    parts[inside] = LesionPart.CORE
    parts[necrotic] = LesionPart.NECROSIS
    if random.uniform() >= kind.enhances:
        return parts
    if random.uniform() < kind.solid:
        parts[inside] = LesionPart.ENHANCING
        return parts
    thickness = between_log(random, kind.rim) / radius
    uneven = 1 + 0.6 * smooth_noise(depth.shape, spacing, max(0.8 * radius, 3.0), random)
    # at least most of a voxel, or a coarse grid would show a rim of holes
    thinnest = 0.6 * max(spacing) / radius if random.uniform() < 0.7 else 0.0
    parts[inside & (depth < np.maximum(thickness * uneven, thinnest))] = LesionPart.ENHANCING
    if random.uniform() < 0.4:
        islands = smooth_noise(depth.shape, spacing, max(0.4 * radius, 3.0), random)
        parts[inside & (islands > 1.3)] = LesionPart.ENHANCING
    return parts


def _quantile_of_normal(share: float) -> float:
    """Where the standard normal distribution has `share` of its mass below."""
    from scipy.special import ndtri

    return float(ndtri(np.clip(share, 1e-6, 1 - 1e-6)))


def label_map(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Values of BraTS 2023 from a map of parts: necrosis counts to the core."""
    return np.where(parts == LesionPart.NECROSIS, np.uint8(LesionPart.CORE), parts)
