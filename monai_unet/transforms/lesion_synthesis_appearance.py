"""How a synthetic lesion looks in a sequence: intensities relative to the tissue around it, texture, partial volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from monai_unet.transforms.lesion_synthesis_shape import LesionPart, Range
from monai_unet.transforms.random_fields import FloatArray, between, smooth_noise

BRIGHTNESS: dict[str, Mapping[LesionPart, Range]] = {
    "flair": {
        LesionPart.OEDEMA: (1.2, 3.6),
        LesionPart.CORE: (0.9, 3.4),
        LesionPart.ENHANCING: (0.3, 3.2),
        LesionPart.NECROSIS: (-2.0, 2.0),
    },
    "t2": {
        LesionPart.OEDEMA: (0.8, 3.0),
        LesionPart.CORE: (0.7, 3.2),
        LesionPart.ENHANCING: (0.2, 2.4),
        LesionPart.NECROSIS: (1.0, 4.0),
    },
    "t1": {
        LesionPart.OEDEMA: (-2.0, -0.2),
        LesionPart.CORE: (-2.2, -0.3),
        LesionPart.ENHANCING: (-1.6, 0.2),
        LesionPart.NECROSIS: (-3.0, -0.8),
    },
    "t1c": {
        LesionPart.OEDEMA: (-2.0, -0.2),
        LesionPart.CORE: (-2.2, -0.2),
        LesionPart.ENHANCING: (0.8, 4.5),
        LesionPart.NECROSIS: (-3.0, -0.8),
    },
    "ct": {
        LesionPart.OEDEMA: (-14.0, -6.0),
        LesionPart.CORE: (-12.0, 2.0),
        LesionPart.ENHANCING: (8.0, 45.0),
        LesionPart.NECROSIS: (-22.0, -10.0),
    },
    "ct_liver": {
        LesionPart.OEDEMA: (-14.0, -6.0),
        LesionPart.CORE: (-60.0, -20.0),
        LesionPart.ENHANCING: (-15.0, 30.0),
        LesionPart.NECROSIS: (-80.0, -35.0),
    },
    "ct_lung": {
        LesionPart.OEDEMA: (100.0, 500.0),
        LesionPart.CORE: (700.0, 900.0),
        LesionPart.ENHANCING: (800.0, 950.0),
        LesionPart.NECROSIS: (650.0, 800.0),
    },
}
"""Sequence → part → range of its difference from white matter (CT: from the tissue around), in units of the spread of
the brain's intensities in MR and in HU in CT. FLAIR and T2: bright oedema. T1: dark. T1c: as T1, what enhances bright.
"""

_CT = "ct"
# T1 before and after contrast agent differ only in what enhances: these parts are drawn once for both
_SHARED = {"t1": "t1_like", "t1c": "t1_like"}


@dataclass(frozen=True)
class Surroundings:
    """What lesion intensities are relative to.

    Attributes:
        level: intensity of normal tissue (MR: white matter; CT: around the lesion).
        unit: of `BRIGHTNESS` (MR: spread of the intensities in the brain; CT: 1 HU).
    """

    level: float
    unit: float


def surroundings_of(image: FloatArray, tissue: FloatArray, sequence: str) -> Surroundings:
    """Level and unit of an image (S, A, R) from its tissue maps (3, S, A, R): CSF, grey, white matter."""
    white = tissue[2] > 0.7
    if int(white.sum()) < 20:
        white = tissue.sum(0) > 0.5
    values = image[white]
    level = float(np.median(values)) if values.size else 0.0
    if sequence.startswith(_CT):
        return Surroundings(level, 1.0)
    low, high = np.percentile(image[tissue.sum(0) > 0.5], (10, 90)) if (tissue.sum(0) > 0.5).any() else (0.0, 1.0)
    # 10th to 90th percentile of a normal distribution is 2.56 standard deviations
    # where the tissues hardly differ a lesion still does
    return Surroundings(level, max(float(high - low) / 2.56, 0.15 * abs(level), 1e-6))


@dataclass(frozen=True)
class LesionAppearance:
    """Numbers drawn once per lesion, so that the sequences of a case agree.

    Attributes:
        level: (sequence, part) → place in that part's range, 0 to 1.
        kept: part → share of the tissue's own fine structure that shows through.
        fading: how much weaker the oedema's signal is at its end.
        texture: amplitude of the texture, in units.
    """

    level: Mapping[tuple[str, LesionPart], float]
    kept: Mapping[LesionPart, float]
    fading: float
    texture: float


def draw_look(sequences: Sequence[str], random: RandomState) -> LesionAppearance:
    """Draw how a lesion looks in all sequences of a case."""
    level: dict[tuple[str, LesionPart], float] = {}
    for part in LesionPart:
        for sequence in sequences:
            name = _SHARED.get(sequence, sequence) if part is not LesionPart.ENHANCING else sequence
            level.setdefault((name, part), float(random.uniform()))
    kept = {
        part: between(random, (0.4, 1.0)) if part is LesionPart.OEDEMA else between(random, (0.0, 0.4))
        for part in LesionPart
    }
    return LesionAppearance(level, kept, between(random, (0.0, 0.4)), between(random, (0.05, 0.35)))


@dataclass(frozen=True)
class Paint:
    """What all sequences of a case share where a lesion is painted; arrays (S, A, R) of the box around it.

    Attributes:
        weights: part → share of the voxel that it fills, 0 to 1 (partial volume), in the order of painting.
        textures: two fields of standard deviation 1, coarse and fine.
        fading: 0 at the core to 1 at the end of the oedema.
        spacing: mm along S, A, R.
    """

    weights: Mapping[LesionPart, FloatArray]
    textures: tuple[FloatArray, FloatArray]
    fading: FloatArray
    spacing: Sequence[float]


def prepare_paint(
    parts: NDArray[np.uint8], oedema_distance: FloatArray, spacing: Sequence[float], random: RandomState
) -> Paint:
    """From a map of `LesionPart` values and the distance through the oedema, 0 to 1."""
    blur = between(random, (0.3, 0.8))
    weights = {
        part: gaussian_filter((parts == part).astype(np.float32), blur, truncate=3)
        for part in (LesionPart.OEDEMA, LesionPart.CORE, LesionPart.NECROSIS, LesionPart.ENHANCING)
        if (parts == part).any()
    }
    coarse, fine = (smooth_noise(parts.shape, spacing, length, random) for length in (7.0, 2.0))
    return Paint(weights, (coarse, fine), oedema_distance, spacing)


def painted(
    image: FloatArray, sequence: str, paint: Paint, *, around: Surroundings, look: LesionAppearance, random: RandomState
) -> FloatArray:
    """An image (S, A, R) of the box around a lesion with the lesion painted in.

    Intensities have the unit of the image.

    Args:
        image: not changed.
        sequence: a key of `BRIGHTNESS`.
        paint: where the lesion is.
        around, look: levels of the tissue and of the lesion.
        random: mixes the texture.
    """
    fine_structure = image - uniform_filter(image, [max(3, round(9.0 / s)) for s in paint.spacing])
    coarse, fine = paint.textures
    texture = random.uniform(-1, 1) * coarse + random.uniform(-1, 1) * fine
    result = image.copy()
    for part, weight in paint.weights.items():
        difference = _difference(sequence, part, look)
        target = around.level + around.unit * (difference + look.texture * _GRAIN[part] * texture)
        if part is LesionPart.OEDEMA:
            target = target - around.unit * difference * look.fading * paint.fading
        # in CT most of the fine structure is noise, which a lesion has too
        kept = 1.0 if sequence.startswith(_CT) else look.kept[part]
        result += weight * (target + kept * fine_structure - result)
    return result


def _difference(sequence: str, part: LesionPart, look: LesionAppearance) -> float:
    name = _SHARED.get(sequence, sequence) if part is not LesionPart.ENHANCING else sequence
    low, high = BRIGHTNESS[sequence][part]
    return low + (high - low) * look.level[name, part]


_GRAIN = {LesionPart.OEDEMA: 0.7, LesionPart.CORE: 1.0, LesionPart.NECROSIS: 1.0, LesionPart.ENHANCING: 1.5}
