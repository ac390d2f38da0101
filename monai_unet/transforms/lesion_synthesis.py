"""Lesions with known truth, painted into real images: training material where no patient's data may be used.

What is painted: a core (sum of deformed ellipsoids with an uneven surface, satellites) of necrosis, non-enhancing and
enhancing tumour, oedema that spreads along white matter, mass effect, intensities per sequence. Bias field, noise and
thick slices are `monai_unet.transforms.scan_effects`, to be applied after it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of
from monai_unet.mappings import CaseData, CaseDict
from monai_unet.transforms.lesion_synthesis_appearance import (
    BRIGHTNESS,
    LesionAppearance,
    Surroundings,
    draw_look,
    painted,
    prepare_paint,
    surroundings_of,
)
from monai_unet.transforms.lesion_synthesis_shape import (
    KINDS,
    LABELS,
    Kind,
    LesionPart,
    core_field,
    core_parts,
    label_map,
)
from monai_unet.transforms.lesion_synthesis_spread import pushed, travel_distance
from monai_unet.transforms.random_fields import FloatArray, between, smooth_noise

__all__ = ["BRIGHTNESS", "KINDS", "LABELS", "RandSynthesiseLesionsd", "synthesise"]

GLIOMA = (("glioblastoma", 0.6), ("low_grade_glioma", 0.2), ("metastases", 0.2))
"""What the kind "glioma" stands for, and how often."""

_SLOWNESS = (30.0, 4.0, 1.0)
"""Of oedema in CSF, grey and white matter: 20 mm along white matter cost as much as 5 mm of cortex."""


class RandSynthesiseLesionsd(Randomizable, MapTransform):
    """Paint a random case of lesions into the images and write its label map.

    Args:
        keys: images, MetaTensors (C, S, A, R) on one grid; a channel without any signal stays as it is.
        sequences: of all channels of all keys in order, each one of `BRIGHTNESS`: flair, t1, t1c, t2, ct, ct_liver,
            ct_lung.
        label_key: gets the label map (1, S, A, R), uint8, values `LABELS`.
        tissue_key: maps (3, S, A, R) of CSF, grey and white matter from 0 to 1, moved along by the mass effect; or one
            mask (1, S, A, R) of an organ, in which lesions lie.
        kind: one of `KINDS`, or "glioma": one of the three tumours of the brain.
        prob: that there is any lesion; otherwise the label map is empty.

    Raises:
        InputError: unknown kind or sequence, channels and sequences that do not match.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        sequences: Sequence[str],
        tissue_key: Hashable,
        label_key: Hashable = "label",
        kind: str = "glioma",
        prob: float = 1.0,
    ) -> None:
        super().__init__(keys)
        if kind != "glioma" and kind not in KINDS:
            raise InputError(f"there is no kind of lesion '{kind}'; choose glioma or one of {', '.join(KINDS)}.")
        for sequence in sequences:
            if sequence not in BRIGHTNESS:
                raise InputError(f"there is no sequence '{sequence}'; choose one of {', '.join(BRIGHTNESS)}.")
        self.sequences, self.tissue_key, self.label_key = tuple(sequences), tissue_key, label_key
        self.kind, self.prob = kind, prob

    def __call__(self, data: CaseData) -> CaseDict:
        """Paint one case."""
        result = dict(data)
        images = [result[key] for key in self.key_iterator(result)]
        stacked = np.concatenate([np.asarray(image, dtype=np.float32) for image in images])
        if len(stacked) != len(self.sequences):
            raise InputError(f"{len(stacked)} channels were given for {len(self.sequences)} sequences.")
        tissue = np.asarray(result[self.tissue_key], dtype=np.float32)
        spacing = grid_of(images[0]).spacing if isinstance(images[0], MetaTensor) else (1.0, 1.0, 1.0)
        if self.R.uniform() < self.prob:
            kind = KINDS[self.kind if self.kind != "glioma" else _drawn_kind(self.R)]
            stacked, tissue, labels = synthesise(stacked, self.sequences, tissue, spacing, kind, self.R)
        else:
            labels = np.zeros(stacked.shape[1:], dtype=np.uint8)
        start = 0
        for key, image in zip(self.key_iterator(result), images, strict=True):
            result[key] = _like(stacked[start : start + len(image)], image)
            start += len(image)
        result[self.tissue_key] = _like(tissue, result[self.tissue_key])
        result[self.label_key] = _like(labels[None], images[0])
        return result


def _drawn_kind(random: RandomState) -> str:
    return str(random.choice([name for name, _ in GLIOMA], p=[share for _, share in GLIOMA]))


def _like(array: NDArray[np.generic], given: object) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if not isinstance(given, MetaTensor):
        return tensor
    return MetaTensor(tensor, meta=dict(given.meta), applied_operations=list(given.applied_operations))


def synthesise(
    images: FloatArray,
    sequences: Sequence[str],
    tissue: FloatArray,
    spacing: Sequence[float],
    kind: Kind,
    random: RandomState,
) -> tuple[FloatArray, FloatArray, NDArray[np.uint8]]:
    """Paint one case of lesions; works in a box around each, so that the cost depends on the lesion and not the image.

    Args:
        images: (C, S, A, R); not changed.
        sequences: of the channels.
        tissue: (3, S, A, R) CSF, grey and white matter, or (1, S, A, R) one organ.
        spacing: mm along S, A, R.
        kind: of lesion.
        random: source of the numbers.

    Returns:
        Images, tissue (both moved by the mass effect) and label map (S, A, R), values `LABELS`.
    """
    images, tissue = images.copy(), tissue.copy()
    labels = np.zeros(images.shape[1:], dtype=np.uint8)
    maps = _three(tissue)
    seen = [bool(image.any()) for image in images]
    around = [surroundings_of(image, maps, sequence) for image, sequence in zip(images, sequences, strict=True)]
    radius, look = between(random, kind.radius), draw_look(sequences, random)
    centre = _drawn_centre(maps, spacing, radius, random)
    if centre is None:
        return images, tissue, labels
    for number in range(1 + random.randint(kind.satellites[0], kind.satellites[1] + 1)):
        if number:
            radius = max(radius * between(random, (0.25, 0.8)), min(kind.radius[0], 3.0))
            centre = _satellite_centre(_three(tissue), spacing, centre, random)
        lesion = _Lesion(centre, radius, kind, look, spacing)
        lesion.paint(images, tissue, labels, sequences=sequences, around=around, seen=seen, random=random)
    return images, tissue, labels


@dataclass(frozen=True)
class _Lesion:
    """One lesion of a case; `centre` in voxels, `radius` in mm."""

    centre: tuple[int, ...]
    radius: float
    kind: Kind
    look: LesionAppearance
    spacing: Sequence[float]

    def paint(
        self,
        images: FloatArray,
        tissue: FloatArray,
        labels: NDArray[np.uint8],
        *,
        sequences: Sequence[str],
        around: Sequence[Surroundings],
        seen: Sequence[bool],
        random: RandomState,
    ) -> None:
        """Paint into the arrays given."""
        kind, spacing = self.kind, self.spacing
        reach = between(random, kind.oedema) if random.uniform() < kind.oedema_probability else 0.0
        push, width = self.radius * between(random, kind.push), self.radius * between(random, (1.2, 2.0))
        box = _box(images.shape[1:], self.centre, spacing, max(1.9 * self.radius + reach + 4, 3 * width))
        inside = (slice(None), *box)
        local = tuple(c - b.start for c, b in zip(self.centre, box, strict=True))
        before = labels[box]
        if not before.any():
            # an earlier lesion is not moved: its label stands already
            both = pushed(np.concatenate([images[inside], tissue[inside]]), spacing, local, push, width)
            images[inside], tissue[inside] = both[: len(images)], both[len(images) :]

        maps = _three(tissue[inside])
        organ = maps.sum(0)
        depth = core_field(organ.shape, spacing, local, self.radius, kind, random)
        # a core does not fill ventricles and ends at the surface of the organ
        depth = depth - 0.5 * gaussian_filter(maps[0], 1.0)
        parts = core_parts(depth, spacing, self.radius, kind, random)
        parts[organ < 0.5] = 0
        if not parts.any():
            return
        ends = _oedema(parts, maps, reach, spacing, random)
        parts[(parts == 0) & (ends < 1) & (organ >= 0.5)] = LesionPart.OEDEMA
        parts = _over(parts, before)
        paint = prepare_paint(parts, np.minimum(ends, 1), spacing, random)
        for number, sequence in enumerate(sequences):
            if seen[number]:
                image = images[number][box]
                lesion = painted(image, sequence, paint, around=around[number], look=self.look, random=random)
                images[number][box] = np.where(organ > 0, lesion, image)
        new = label_map(parts)
        labels[box] = np.where(new > 0, new, before)


def _over(parts: NDArray[np.uint8], before: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Oedema does not run over an earlier lesion, cores do not erase enhancement."""
    kept = (before > 0) & ((parts == LesionPart.OEDEMA) | (before == LesionPart.ENHANCING))
    return np.where(kept, np.uint8(0), parts)


def _oedema(
    parts: NDArray[np.uint8], maps: FloatArray, reach: float, spacing: Sequence[float], random: RandomState
) -> FloatArray:
    """Distance from the core through tissue as a share of the oedema's reach; 1 and more: no oedema."""
    if reach <= 0:
        return np.full(parts.shape, 2.0, dtype=np.float32)
    outside = np.clip(1 - maps.sum(0), 0, 1)
    slowness = np.tensordot(np.array(_SLOWNESS, dtype=np.float32), maps, 1) + _SLOWNESS[0] * outside
    uneven = np.exp(0.35 * smooth_noise(parts.shape, spacing, 14.0, random))
    distance = travel_distance(parts > 0, (slowness * uneven).astype(np.float32), spacing)
    return (distance / reach).astype(np.float32)


def _three(tissue: FloatArray) -> FloatArray:
    """CSF, grey and white matter; one organ counts as white matter."""
    if len(tissue) == 3:
        return tissue
    empty = np.zeros_like(tissue)
    return np.concatenate([empty, empty, tissue])


def _drawn_centre(
    maps: FloatArray, spacing: Sequence[float], radius: float, random: RandomState
) -> tuple[int, ...] | None:
    """A voxel in white matter or near it."""
    weight = gaussian_filter(maps[2], [min(0.4 * radius, 6.0) / s for s in spacing]) * (maps[1] + maps[2])
    candidates = np.flatnonzero(weight > 0.2)
    if not candidates.size:
        return None
    share = weight.ravel()[candidates].astype(np.float64)
    chosen = int(random.choice(candidates, p=share / share.sum()))
    return tuple(int(i) for i in np.unravel_index(chosen, maps.shape[1:]))


def _satellite_centre(
    maps: FloatArray, spacing: Sequence[float], first: tuple[int, ...], random: RandomState
) -> tuple[int, ...]:
    """A voxel of tissue, most often within 60 mm of the first lesion."""
    candidates = np.argwhere(maps[1] + maps[2] > 0.6)
    if not len(candidates):
        return first
    distance = np.linalg.norm((candidates - np.array(first)) * np.array(spacing), axis=1)
    weight = np.exp(-np.square(distance / 40.0)) + 0.02
    return tuple(int(i) for i in candidates[random.choice(len(candidates), p=weight / weight.sum())])


def _box(
    shape: Sequence[int], centre: Sequence[int], spacing: Sequence[float], half_mm: float
) -> tuple[slice, slice, slice]:
    a, b, c = (
        slice(max(0, c - int(half_mm / s) - 1), min(n, c + int(half_mm / s) + 2))
        for n, c, s in zip(shape, centre, spacing, strict=True)
    )
    return a, b, c
