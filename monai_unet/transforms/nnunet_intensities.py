"""nnU-Net's normalisation schemes by their names in `plans.json` (`nnunetv2` 2.8.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Scheme = Callable[[Volume, "Mask | None", Mapping[str, float]], Volume]

_SMALLEST = 1e-8


def _ct(volume: Volume, mask: Mask | None, stated: Mapping[str, float]) -> Volume:
    """Clipped to the percentiles of the training's foreground, then its mean and standard deviation."""
    np.clip(volume, stated["percentile_00_5"], stated["percentile_99_5"], out=volume)
    volume -= stated["mean"]
    volume /= max(stated["std"], _SMALLEST)
    return volume


def _z_score(volume: Volume, mask: Mask | None, stated: Mapping[str, float]) -> Volume:
    """Mean 0 and standard deviation 1, of the whole image, or inside the mask alone."""
    if mask is None:
        volume -= volume.mean()
        volume /= max(volume.std(), _SMALLEST)
        return volume
    inside = volume[mask]
    if inside.size:
        volume[mask] = (inside - inside.mean()) / max(inside.std(), _SMALLEST)
    return volume


def _as_it_is(volume: Volume, mask: Mask | None, stated: Mapping[str, float]) -> Volume:
    return volume


def _to_01(volume: Volume, mask: Mask | None, stated: Mapping[str, float]) -> Volume:
    volume -= volume.min()
    volume /= max(volume.max(), _SMALLEST)
    return volume


def _rgb(volume: Volume, mask: Mask | None, stated: Mapping[str, float]) -> Volume:
    if volume.min() < 0 or volume.max() > 255:
        raise InputError(
            f"this model expects colour values from 0 to 255, and the image has {volume.min():g} to {volume.max():g}; "
            "check that it is the kind of image this model was made for."
        )
    volume /= 255
    return volume


SCHEMES: dict[str, Scheme] = {
    "CTNormalization": _ct,
    "ZScoreNormalization": _z_score,
    "NoNormalization": _as_it_is,
    "RescaleTo01Normalization": _to_01,
    "RGBTo01Normalization": _rgb,
}
"""Name in the plans → function of a channel (Z, Y, X) float32 that it may overwrite, a mask or None, and numbers."""

STATED = ("mean", "std", "percentile_00_5", "percentile_99_5")
"""What `CTNormalization` takes from the training's fingerprint."""


def require_scheme(name: str, stated: Mapping[str, float]) -> None:
    """Refuse a scheme that is not known, or that misses its numbers.

    Raises:
        InputError: one of these.
    """
    if name not in SCHEMES:
        raise InputError(f"the normalisation '{name}' is not known; known are {', '.join(SCHEMES)}.")
    if name == "CTNormalization" and any(key not in stated for key in STATED):
        raise InputError(f"CTNormalization needs the numbers {', '.join(STATED)} of the training's intensities.")


def normalised(volume: Volume, scheme: str, mask: Mask | None, stated: Mapping[str, float]) -> Volume:
    """One channel (Z, Y, X) by the scheme of that name; the array given may be overwritten.

    Args:
        mask: where the image is not zero, or None where the whole image counts.
        stated: numbers of the training's foreground, in the image's unit.

    Raises:
        InputError: an image outside the scheme's range.
    """
    return SCHEMES[scheme](volume, mask, stated)
