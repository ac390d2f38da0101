"""Answers without weights: each click grows a piece of the size that its surroundings suggest, up to the next edge.

A click's size is its distance to the border of the mask as it is: a user clicks into the middle of what is wrong, so
that is about the half width of the error, which lies along that border. Without a mask it is the median distance at
which rays from the click meet other tissue. The piece is an ellipsoid of that size in which every path pays for
crossing tissue unlike that under the click: a geodesic distance (Dijkstra over 26 neighbours,
`skimage.graph.MCP_Geometric`), as in geodesic segmentation (Criminisi et al. 2008, ECCV). A piece around an including
click joins the mask, one around an excluding click leaves it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.graph import MCP_Geometric
from skimage.measure import block_reduce

from monai_unet.errors import InputError
from monai_unet.geometry import Box, Grid, box_shape, grow, inside_of, make_box, union
from monai_unet.interaction.answering.guidance import Drawn, obey, prompt_drawn
from monai_unet.interaction.answering.plausibility import SMALLER, ShownVolume, first_answer_doubt, is_implausible
from monai_unet.interaction.answering.rays import CONTRAST, LIMIT_MM, Tissue, look_around
from monai_unet.interaction.prompts import Answer, Prompt


@dataclass(frozen=True)
class ClassicalSettings:
    """Chosen on training cases of SoftTissueSarcoma (T1 and CT), see docs/interaction.md.

    Attributes:
        first: semi-axis of the first piece in units of the rays' median.
        across: semi-axis of a correction across the border of the mask, in units of its size.
        along: that along the border, in units of the geometric mean of its size and of the mask's radius.
        edge: what a path through unlike tissue costs, in sizes per size.
        ray_limit: mm that a ray looks.
        contrast: share of the typical contrast around a click at which tissue counts as unlike.
        steps: window voxels per size; more is finer and slower.
    """

    first: float = 1.25
    across: float = 1.5
    along: float = 1.6
    edge: float = 4.0
    ray_limit: float = LIMIT_MM
    contrast: float = CONTRAST
    steps: float = 6.0


class ClassicalAnswerer:
    """The classical method as an `Answerer`; needs no weights and no training."""

    name = "classical"

    def __init__(self, settings: ClassicalSettings | None = None) -> None:
        self.settings = settings or ClassicalSettings()

    def start(self, image: NDArray[np.number], grid: Grid) -> None:
        """Take the image (S, A, R); voxels without a finite value count as the lowest finite one.

        Raises:
            InputError: not one channel, or no finite voxel.
        """
        if image.shape != grid.shape:
            raise InputError(f"The image has {image.shape} voxels and its grid {grid.shape}; give one channel.")
        voxels = np.asarray(image, dtype=np.float32)
        finite = np.isfinite(voxels)
        if not finite.any():
            raise InputError("The image holds no finite voxel; export it again.")
        self._image = voxels if finite.all() else np.where(finite, voxels, voxels[finite].min())
        self._grid = grid
        self._shown = ShownVolume(self._image)

    def answer(self, prompts: Sequence[Prompt], current: NDArray[np.bool_]) -> Answer:
        """The current mask with the newest prompt's piece added or removed; see `Answerer.answer`.

        Masks (S, A, R) of the whole grid.

        Raises:
            InputError: the newest prompt lies outside the image.
        """
        started = time.perf_counter()
        drawn = [self._draw(prompt) for prompt in prompts]
        newest, marked = prompts[-1], drawn[-1]
        if marked is None:
            raise InputError(f"The {newest.kind} lies outside the image; mark a place inside it.")
        box, piece = self._piece(newest, marked, current)
        bounded = self._doubtful_share(newest, piece, current)
        if bounded:
            box, piece = self._piece(newest, marked, current, shrunk=(SMALLER / bounded) ** (1 / 3))
        box, piece = self._kept_apart(box, piece, list(zip(prompts, drawn, strict=True)), marked)
        whole = union(box, marked.box)
        assert whole is not None
        mask = current[whole].copy()
        part = mask[inside_of(box, whole)]
        if newest.positive:
            part |= piece
        else:
            part &= ~piece
        obey(mask, whole, [(place, prompt.kind, prompt.positive) for prompt, place in zip(prompts, drawn, strict=True)])
        milliseconds, notes = 1000 * (time.perf_counter() - started), (first_answer_doubt(bounded),) if bounded else ()
        return Answer(whole, mask, milliseconds=milliseconds, notes=notes, bounded=bounded)

    def _doubtful_share(self, newest: Prompt, piece: NDArray[np.bool_], current: NDArray[np.bool_]) -> float:
        """The share of the image that a first answer to a point fills where that is implausible, else 0."""
        if newest.kind != "point" or not newest.positive or current.any():
            return 0.0
        share = self._shown.share(int(np.count_nonzero(piece)))
        return share if is_implausible(share) else 0.0

    def _draw(self, prompt: Prompt) -> Drawn | None:
        return prompt_drawn(prompt, prompt.voxels(self._grid), self._grid.shape, self._grid.spacing)

    def _piece(
        self, prompt: Prompt, marked: Drawn, current: NDArray[np.bool_], *, shrunk: float = 1.0
    ) -> tuple[Box, NDArray[np.bool_]]:
        if prompt.kind in ("box", "lasso"):
            if not prompt.positive:
                return marked.box, marked.voxels
            return self._region(marked, prompt.axis)
        seeds = np.argwhere(marked.voxels) + [s.start for s in marked.box]
        seeds = seeds[current[tuple(seeds.T)] != prompt.positive]
        if not len(seeds):
            return marked.box, marked.voxels  # it is so already
        inside = not prompt.positive
        centre = seeds[np.linalg.norm((seeds - seeds.mean(axis=0)) * self._grid.spacing, axis=1).argmin()]
        tissue, reach = look_around(
            self._image, self._grid.spacing, centre, limit_mm=self.settings.ray_limit, contrast=self.settings.contrast
        )
        size, normal, axes = reach * shrunk, np.zeros(3), (self.settings.first, self.settings.first)
        border = _nearest(current, centre, self._grid.spacing, not inside)
        if border is not None:
            offset = (border - centre) * self._grid.spacing
            distance = float(np.linalg.norm(offset))
            if inside or distance <= 2 * reach:  # else it is a part of its own
                size, normal = distance, offset / distance
                width = (3 * np.count_nonzero(current) * np.prod(self._grid.spacing) / (4 * np.pi)) ** (1 / 3)
                axes = (self.settings.across, self.settings.along * float(np.sqrt(max(1.0, width / size))))
        return self._grown(seeds, centre, tissue, max(size, min(self._grid.spacing)), normal, axes)

    def _grown(
        self,
        seeds: NDArray[np.int_],
        centre: NDArray[np.int_],
        tissue: Tissue,
        size: float,
        normal: NDArray[np.float64],
        axes: tuple[float, float],
    ) -> tuple[Box, NDArray[np.bool_]]:
        """An ellipsoid around seeds, semi-axes `axes` (along `normal`, across it) times `size`, up to edges."""
        spacing = np.asarray(self._grid.spacing)
        margin = np.ceil(max(axes) * size / spacing).astype(int) + 1
        box = grow(make_box(seeds.min(axis=0), seeds.max(axis=0) + 1), margin.tolist(), self._grid.shape)
        strides = np.maximum(1, np.rint(size / self.settings.steps / spacing)).astype(int)
        coarse = block_reduce(self._image[box], tuple(strides), np.mean, cval=tissue.level)
        first = np.array([s.start for s in box])
        starts = np.unique((seeds - first) // strides, axis=0)
        unlikeness = np.abs(coarse - tissue.level) / tissue.unlike
        cost = np.minimum(unlikeness, 3.0) ** 2 + 1e-3
        cost[tuple(starts.T)] = 1e-3
        paid, _ = MCP_Geometric(cost, sampling=tuple(strides * spacing)).find_costs([tuple(s) for s in starts])
        places = [(f + (np.arange(n) + 0.5) * s - 0.5) for f, n, s in zip(first, coarse.shape, strides, strict=True)]
        distance = self._ellipsoid(places, seeds, centre, size, normal, axes)
        reached = distance + self.settings.edge * paid / size
        return box, _enlarged(reached, strides, box_shape(box)) < 1

    def _ellipsoid(
        self,
        places: list[NDArray[np.float64]],
        seeds: NDArray[np.int_],
        centre: NDArray[np.int_],
        size: float,
        normal: NDArray[np.float64],
        axes: tuple[float, float],
    ) -> NDArray[np.float64]:
        """Distance from the nearest seed in units of the ellipsoid's semi-axes."""
        spacing = np.asarray(self._grid.spacing)
        if len(seeds) == 1:
            parts = [(p - c) * s for p, c, s in zip(places, centre, spacing, strict=True)]
            squared = parts[0][:, None, None] ** 2 + parts[1][None, :, None] ** 2 + parts[2][None, None, :] ** 2
            height = parts[0][:, None, None] * normal[0] + parts[1][None, :, None] * normal[1]
            height = height + parts[2][None, None, :] * normal[2]
            across, along = axes
            return np.sqrt(height**2 / across**2 + np.maximum(squared - height**2, 0) / along**2) / size
        away = np.ones([len(p) for p in places], dtype=bool)
        index = tuple(np.clip(np.searchsorted(p, seeds[:, a]), 0, len(p) - 1) for a, p in enumerate(places))
        away[index] = False
        steps = [float((p[1] - p[0]) * s) if len(p) > 1 else float(s) for p, s in zip(places, spacing, strict=True)]
        return np.asarray(ndimage.distance_transform_edt(away, sampling=steps)) / (size * axes[0])

    def _region(self, marked: Drawn, axis: int | None) -> tuple[Box, NDArray[np.bool_]]:
        """What a box or lasso around an object says of it: round inside the region, and as thick as it is wide."""
        flat = [a for a in range(3) if marked.voxels.shape[a] == 1]
        spacing = np.asarray(self._grid.spacing)
        if len(flat) != 1:
            inside = ndimage.distance_transform_edt(np.pad(marked.voxels, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
            box, round_part = marked.box, self._inscribed(marked.voxels.shape) if axis is None else inside > 0
            return box, round_part & marked.voxels
        across = flat[0]
        plane = np.take(marked.voxels, 0, axis=across)
        in_plane = [spacing[a] for a in range(3) if a != across]
        if plane.all():
            plane = np.take(self._inscribed(marked.voxels.shape), 0, axis=across)
        depth = ndimage.distance_transform_edt(np.pad(plane, 1), sampling=in_plane)[1:-1, 1:-1]
        deepest = float(depth.max())
        margin = [0, 0, 0]
        margin[across] = int(deepest / spacing[across])
        box = grow(marked.box, margin, self._grid.shape)
        height = (np.arange(box[across].start, box[across].stop) - marked.box[across].start) * spacing[across]
        # of a ball of radius R, at depth d below its equator's rim, half the height is sqrt(d (2R - d))
        reach = np.expand_dims(depth * (2 * deepest - depth), across)
        shape = [1, 1, 1]
        shape[across] = -1
        return box, np.expand_dims(plane, across) & (height.reshape(shape) ** 2 <= reach)

    @staticmethod
    def _inscribed(shape: Sequence[int]) -> NDArray[np.bool_]:
        """The ellipsoid that touches the sides of an array."""
        parts = [((np.arange(n) + 0.5) / n * 2 - 1) ** 2 if n > 1 else np.zeros(1) for n in shape]
        return np.asarray(parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :] <= 1)

    def _kept_apart(
        self, box: Box, piece: NDArray[np.bool_], prompts: list[tuple[Prompt, Drawn | None]], marked: Drawn
    ) -> tuple[Box, NDArray[np.bool_]]:
        """The piece without voxels nearer to an earlier point or scribble of the other kind than to its own."""
        newest = prompts[-1][0]
        others = [
            np.argwhere(drawn.voxels) + [s.start for s in drawn.box]
            for prompt, drawn in prompts[:-1]
            if drawn is not None and prompt.positive != newest.positive and prompt.kind in ("point", "scribble")
        ]
        if not others or newest.kind in ("box", "lasso") or not piece.any():
            return box, piece
        spacing = np.asarray(self._grid.spacing)
        own = (np.argwhere(marked.voxels) + [s.start for s in marked.box]) * spacing
        voxels = np.argwhere(piece)
        places = (voxels + [s.start for s in box]) * spacing
        nearer = cKDTree(np.concatenate(others) * spacing).query(places)[0] < cKDTree(own).query(places)[0]
        piece = piece.copy()
        piece[tuple(voxels[nearer].T)] = False
        return box, piece


def _nearest(
    mask: NDArray[np.bool_], centre: NDArray[np.int_], spacing: Sequence[float], wanted: bool
) -> NDArray[np.int_] | None:
    """The voxel nearest to `centre` in mm whose value in the mask is `wanted`; None where there is none."""
    reach = 8.0 * min(spacing)
    while True:
        margin = [int(reach / s) for s in spacing]
        box = grow(make_box(centre, centre + 1), margin, mask.shape)
        found = np.argwhere(mask[box] == wanted)
        if found.size:
            found = found + [s.start for s in box]
            distances = np.linalg.norm((found - centre) * np.asarray(spacing), axis=1)
            best = int(distances.argmin())
            if distances[best] <= reach:
                return np.asarray(found[best])
        if box_shape(box) == mask.shape:
            return np.asarray(found[best]) if found.size else None
        reach *= 2


def _enlarged(values: NDArray[np.float64], strides: NDArray[np.int_], shape: Sequence[int]) -> NDArray[np.float64]:
    """Values of blocks, interpolated linearly at the voxels that the blocks were made of."""
    for axis, (stride, length) in enumerate(zip(strides, shape, strict=True)):
        place = np.clip((np.arange(length) + 0.5) / stride - 0.5, 0, values.shape[axis] - 1)
        low = place.astype(int)
        high = np.minimum(low + 1, values.shape[axis] - 1)
        share = (place - low).reshape([-1 if a == axis else 1 for a in range(3)])
        values = np.take(values, low, axis) * (1 - share) + np.take(values, high, axis) * share
    return values
