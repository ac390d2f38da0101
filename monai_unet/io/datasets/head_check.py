"""Does an image show a head, with its skull, with contrast agent? Warnings of one sentence each."""

from __future__ import annotations

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, distance_transform_edt

from monai_unet.geometry import grid_of

_SAMPLED_MM = 2.5
_HEAD_MM = (110.0, 290.0)
"""In 150 whole heads and brains the two larger extents were 128 to 253 mm."""

_WHOLE_MM = 100.0
"""An image that covers this much in all three directions shows a whole head, and not a few slices of it."""

_DEEP_MM, _SHELL_MM = 22.0, (2.0, 10.0)
_FEWEST = 200

# Units are standard deviations of the deep part (from its quartiles), above its median.
_FAT = 1.5
"""90th percentile of the shell: 1.7 and more with scalp and skull, 1.4 at most without."""

_VESSELS = 2.0
"""95th percentile of the deep part of a head: 2.9 and more with contrast agent (14 heads), 1.6 at most without (4)."""

_VESSELS_STRIPPED = 2.5
"""99.9th percentile of the deep part of a brain: 3.7 and more with contrast agent, 1.4 at most without (3 patients)."""

_AIR_NOISE = 0.015
"""Share of the air that is above the lowest value: 0.001 to 0.010 in 24 images of brains without skull, 0.021 and more
in 22 of heads."""

_SCALP = 3.6
"""As `_FAT`, in any sequence: 3.2 at most in 24 images of brains without skull (T2), 4.0 and more in 22 of heads."""


def head_warnings(volume: MetaTensor) -> list[str]:
    """Sentences that say what looks unlike contrast-enhanced T1 of a head with its skull, in a volume (1, S, A, R)."""
    spacing = grid_of(volume).spacing
    steps = [max(1, round(_SAMPLED_MM / mm)) for mm in spacing]
    thin = tuple(slice(None, None, step) for step in steps)
    image = volume.numpy()[0].astype(np.float32)
    inside = _bright(image)[thin]
    if not inside.any():
        return []
    sampled = np.array([mm * step for mm, step in zip(spacing, steps, strict=True)])
    extent = (np.ptp(np.argwhere(inside), axis=0) + 1) * sampled
    larger = sorted(extent, reverse=True)[:2]
    if not (_HEAD_MM[0] <= larger[1] and larger[0] <= _HEAD_MM[1]):
        return [
            f"what is bright in the image measures {larger[0]:.0f} × {larger[1]:.0f} mm, which is not the size of a "
            "head; the model was trained on whole heads."
        ]
    return _contrast_warnings(image[thin], inside, sampled, whole=bool(extent.min() >= _WHOLE_MM))


def skull_warnings(volume: MetaTensor) -> list[str]:
    """Sentences that say that the skull is still there, in a volume (1, S, A, R) for a model of brains without it."""
    spacing = grid_of(volume).spacing
    steps = [max(1, round(_SAMPLED_MM / mm)) for mm in spacing]
    image = volume.numpy()[0][tuple(slice(None, None, step) for step in steps)].astype(np.float32)
    inside = _bright(image)
    if not inside.any():
        return []
    sampled = np.array([mm * step for mm, step in zip(spacing, steps, strict=True)])
    axis = int(np.argmax(sampled))
    inside, values = np.moveaxis(inside, axis, 0), np.moveaxis(image, axis, 0)
    depth = _depth(inside, np.delete(sampled, axis))
    air = values[depth == 0]
    noisy = bool(len(air) >= _FEWEST and float((air > image.min()).mean()) > _AIR_NOISE)
    deep, shell = values[(depth > _DEEP_MM) & inside], values[(depth > _SHELL_MM[0]) & (depth < _SHELL_MM[1])]
    fat = False
    if min(len(deep), len(shell)) >= _FEWEST:
        low, middle, high = np.percentile(deep, (25, 50, 75))
        fat = float(np.percentile(shell, 90) - middle) / max(float(high - low) / 1.349, 1e-6) > _SCALP
    if noisy or fat:
        return ["the skull is still there; the model was trained on brains without it and marks scalp as tumour."]
    return []


def _bright(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mask of what is brighter than air."""
    lowest = float(image.min())
    return image > lowest + 0.1 * (float(np.percentile(image, 99)) - lowest)


def _contrast_warnings(
    image: NDArray[np.float32], inside: NDArray[np.bool_], spacing: NDArray[np.float64], *, whole: bool
) -> list[str]:
    axis = int(np.argmax(spacing))
    depth = _depth(np.moveaxis(inside, axis, 0), np.delete(spacing, axis))
    values = np.moveaxis(image, axis, 0)
    deep = values[(depth > _DEEP_MM) & np.moveaxis(inside, axis, 0)]
    shell = values[(depth > _SHELL_MM[0]) & (depth < _SHELL_MM[1])]
    if min(len(deep), len(shell)) < _FEWEST:
        return []
    low, middle, high = np.percentile(deep, (25, 50, 75))
    unit = max(float(high - low) / 1.349, 1e-6)
    stripped = (np.percentile(shell, 90) - middle) / unit < _FAT
    found = []
    if stripped:
        found.append(
            "there seems to be no skull around the brain; the model saw tumours in heads with their skull only."
        )
    quantile, bright = (99.9, _VESSELS_STRIPPED) if stripped else (95, _VESSELS)
    # a few slices may hold no large vessel
    if whole and (np.percentile(deep, quantile) - middle) / unit < bright:
        found.append(
            "nothing inside the head is as bright as vessels and tumours are after contrast agent; the model was "
            "trained on contrast-enhanced T1 and misses tumours without it."
        )
    return found


def _depth(inside: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance in mm of each voxel to the outline of the head in its slice; slices along the first axis."""
    filled = (np.pad(binary_fill_holes(plane), 1) for plane in inside)
    return np.stack([distance_transform_edt(plane, sampling=spacing)[1:-1, 1:-1] for plane in filled])
