"""Small sessions and an answerer whose answers are known, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unet.geometry import Grid
from monai_unet.geometry.boxes import grow, make_box
from monai_unet.interaction import Answer, EditSession, Prompt

# index (S, A, R) to RAS+ mm: 3 mm slices, 1 mm in plane, an origin that is not 0
AFFINE = np.array([[0, 0, 1, -10], [0, 1, 0, 20], [3, 0, 0, 5], [0, 0, 0, 1]], dtype=float)


def grid_of_shape(*shape: int) -> Grid:
    return Grid((shape[0], shape[1], shape[2]), AFFINE)


def world(*voxel: float) -> NDArray[np.float64]:
    return (AFFINE[:3, :3] @ np.array(voxel, float) + AFFINE[:3, 3])[None]


def point(*voxel: float, positive: bool = True) -> Prompt:
    return Prompt("point", positive, world(*voxel))


def box(*spans: tuple[int, int]) -> tuple[slice, slice, slice]:
    return make_box([low for low, _ in spans], [high for _, high in spans])


def session_of(*shape: int, **options: Any) -> EditSession:
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return EditSession(image, grid_of_shape(*shape), **options)


class CubeAnswerer:
    """Adds (or removes) the cube of edge 5 around the newest point and leaves the rest: order matters, as it does to a
    user."""

    name = "cube"

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []

    def start(self, image: NDArray[Any], grid: Grid) -> None:
        self.grid = grid

    def answer(self, prompts: Sequence[Prompt], current: NDArray[np.bool_]) -> Answer:
        self.calls.append(tuple(prompt.number for prompt in prompts))
        newest = prompts[-1]
        centre = np.rint(newest.voxels(self.grid)[0]).astype(int)
        part = grow(make_box(centre, centre + 1), (2, 2, 2), self.grid.shape)
        return Answer(part, np.full(current[part].shape, newest.positive))


def cubes(session: EditSession) -> CubeAnswerer:
    answerer = CubeAnswerer()
    answerer.start(session.image, session.grid)
    return answerer
