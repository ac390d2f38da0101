"""Is what was given as a sequence that sequence? Relations between the intensities of a patient's sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

_STEP = 3
"""Every third voxel of each axis is enough."""


_ALLOWED = {
    ("T1", "T2"): (-1.0, 0.35),
    ("T1c", "T2"): (-1.0, 0.35),
    ("T1", "T1c"): (0.2, 1.0),
    ("FLAIR", "T1"): (-1.0, 0.7),
    ("FLAIR", "T1c"): (-1.0, 0.7),
    ("FLAIR", "T2"): (-1.0, 0.7),
}
"""Rank correlations that two sequences of one brain may have.

In three patients (Lesjak et al. 2018): T1 and T2 -0.7 to -0.6, T1 before and after contrast agent 0.8 to 0.9, FLAIR and
any other -0.2 to 0.3; two files of one kind 0.8 and more.
"""


def sequence_warnings(image: MetaTensor, names: Sequence[str]) -> list[str]:
    """Sentences that say which channels of a brain (C, S, A, R) do not look like what their names say.

    T1 (with and without contrast agent) shows fluid dark and T2 bright, so that they are opposite; T1 before and after
    contrast agent are alike; FLAIR is like none of them. Channels without signal, and other names, are not looked at.

    Intensities may have any unit.
    """
    given = {
        name: np.asarray(channel)[::_STEP, ::_STEP, ::_STEP]
        for name, channel in zip(names, image, strict=False)
        if any(name in pair for pair in _ALLOWED) and bool(channel.any())
    }
    found = []
    for (first, second), (low, high) in _ALLOWED.items():
        if first not in given or second not in given:
            continue
        alike = _rank_correlation(given[first], given[second])
        if alike is not None and not low <= alike <= high:
            how = "alike" if alike > high else "opposite"
            found.append(
                f"{first} and {second} are {how} (rank correlation {alike:+.2f}), which these sequences are not: was "
                "one given in the place of another?"
            )
    return found


def _rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    """Spearman's, over the voxels where both have signal: contrast curves do not matter. None: too few voxels."""
    inside = (one != one.flat[0]) & (other != other.flat[0])
    if int(inside.sum()) < 300:
        return None
    ranks = [np.argsort(np.argsort(volume[inside])) for volume in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
