"""What a synthetic lesion does to its surroundings: oedema that follows white matter, and mass effect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from monai_unet.io import njit
from monai_unet.transforms.random_fields import FloatArray

UNREACHED = np.float32(1e6)


def travel_distance(source: NDArray[np.bool_], slowness: FloatArray, spacing: Sequence[float]) -> FloatArray:
    """Shortest way from a source through a medium, in mm of a medium of slowness 1; arrays (S, A, R).

    Solves the eikonal equation |∇t| = slowness by fast sweeping (Zhao 2005, doi:10.1090/S0025-5718-04-01678-3): one
    sweep in each of eight directions, which is exact where paths bend little.
    """
    time = np.where(source, np.float32(0), UNREACHED)
    h = np.asarray(spacing, dtype=np.float32)
    _sweep(time, np.ascontiguousarray(slowness, dtype=np.float32), h)
    return time


@njit(cache=True, nogil=True)
def _sweep(time: NDArray[np.float32], slowness: NDArray[np.float32], h: NDArray[np.float32]) -> None:
    ns, na, nr = time.shape
    a = np.empty(3)
    w = np.empty(3)
    for direction in range(8):
        for i0 in range(ns):
            i = ns - 1 - i0 if direction & 1 else i0
            for j0 in range(na):
                j = na - 1 - j0 if direction & 2 else j0
                for k0 in range(nr):
                    k = nr - 1 - k0 if direction & 4 else k0
                    if time[i, j, k] == 0:
                        continue
                    a[0] = min(time[max(i - 1, 0), j, k], time[min(i + 1, ns - 1), j, k])
                    a[1] = min(time[i, max(j - 1, 0), k], time[i, min(j + 1, na - 1), k])
                    a[2] = min(time[i, j, max(k - 1, 0)], time[i, j, min(k + 1, nr - 1)])
                    for n in range(3):
                        w[n] = h[n]
                    for x in range(2):
                        for y in range(2 - x):
                            if a[y] > a[y + 1]:
                                a[y], a[y + 1] = a[y + 1], a[y]
                                w[y], w[y + 1] = w[y + 1], w[y]
                    s = slowness[i, j, k]
                    t = a[0] + s * w[0]
                    # quadratic in t over the first two, then all three upwind neighbours
                    for count in range(2, 4):
                        if t <= a[count - 1]:
                            break
                        p = 0.0
                        q = 0.0
                        r = -s * s
                        for n in range(count):
                            g = 1.0 / (w[n] * w[n])
                            p += g
                            q += g * a[n]
                            r += g * a[n] * a[n]
                        d = q * q - p * r
                        if d < 0:
                            break
                        t = (q + np.sqrt(d)) / p
                    if t < time[i, j, k]:
                        time[i, j, k] = t


def pushed(
    volumes: FloatArray, spacing: Sequence[float], centre: Sequence[float], largest_mm: float, width_mm: float
) -> FloatArray:
    """Volumes (C, S, A, R) displaced away from a point: nothing moves at the point and far away.

    The displacement at distance r is `largest_mm` · r/σ · exp(½ − r²/2σ²), largest at r = σ = `width_mm`. It is kept
    small enough that nothing folds.

    Args:
        volumes: interpolated linearly.
        spacing: mm along S, A, R.
        centre: in voxels.
        largest_mm: of the displacement; at most half of the width is applied.
        width_mm: distance of the largest displacement.
    """
    if largest_mm <= 0:
        return volumes
    factor = min(largest_mm, 0.5 * width_mm) / width_mm * np.exp(0.5)
    shape = volumes.shape[1:]
    axes = [torch.arange(n, dtype=torch.float32) - c for n, c in zip(shape, centre, strict=True)]
    offsets = torch.meshgrid(*axes, indexing="ij")
    squared = torch.stack([(o * s) ** 2 for o, s in zip(offsets, spacing, strict=True)]).sum(0)
    kept = 1 - factor * torch.exp(-squared / (2 * width_mm**2))
    # grid_sample takes (x, y, z) from -1 to 1, that is the last axis first
    where = [(c + o * kept) * (2 / max(n - 1, 1)) - 1 for n, c, o in zip(shape, centre, offsets, strict=True)]
    grid = torch.stack(where[::-1], dim=-1)[None]
    moved = torch.nn.functional.grid_sample(
        torch.from_numpy(np.ascontiguousarray(volumes))[None],
        grid,
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return moved[0].numpy()
