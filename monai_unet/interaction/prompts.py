"""What a user says about an object, and what answers it.

A prompt is kept in millimetres of the patient (RAS+), so that it means the same place on every sequence and survives a
change of grid. An answerer turns image, prompts and the current mask into a new mask inside one box of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from monai_unet.geometry import Box, Grid

PromptKind = Literal["point", "scribble", "box", "lasso"]


@dataclass(frozen=True, eq=False)
class Prompt:
    """One thing a user marked.

    Attributes:
        kind: "point" (one position), "scribble" (a polyline), "box" (two opposite corners, both inside), "lasso" (a
            closed polygon in one plane).
        positive: the place belongs to the object; False: it does not.
        world: (N, 3) RAS+ millimetres; N is 1 for a point, 2 for a box, at least 3 for a lasso.
        axis: working-frame axis (0 S, 1 A, 2 R) perpendicular to the plane it was drawn in; None for a point or for a
            box in three dimensions. A flat box holds in its own slice only.
        radius: half width of a scribble in mm; 0: one voxel.
        number: the session's number of the prompt, by which a user removes it; 0 before it is in a session.
        series: which of several images was shown when it was given, by a name of the caller's; "" where there is one.
        method: what was asked to answer it; "" where nobody says.
    """

    kind: PromptKind
    positive: bool
    world: NDArray[np.float64]
    axis: int | None = None
    radius: float = 0.0
    number: int = 0
    series: str = ""
    method: str = ""

    def voxels(self, grid: Grid) -> NDArray[np.float64]:
        """(N, 3) its positions as fractional voxel indices of a grid, in the grid's axis order."""
        return grid.to_index(np.asarray(self.world, dtype=float).reshape(-1, 3))


@dataclass(frozen=True, eq=False)
class Answer:
    """A new mask of one object inside a box of the grid; outside the box nothing changes.

    Attributes:
        box: three slices into the working-frame array.
        mask: bool, the object inside the box.
        probability: float32 of the same shape where the method has one.
        milliseconds: wall time of the answer.
        notes: what the user should know, one sentence each.
        bounded: of a first answer that could not be an object (see `plausibility`), the share of the image that it
            would have filled; the mask is a smaller one then, and a note asks for a box or a line. 0: plausible.
    """

    box: Box
    mask: NDArray[np.bool_]
    probability: NDArray[np.float32] | None = None
    milliseconds: float = 0.0
    notes: tuple[str, ...] = field(default=())
    bounded: float = 0.0


class Answerer(Protocol):
    """Anything that answers prompts: the network, or a classical method. Prepared once per image by `start`."""

    name: str

    def start(self, image: NDArray[np.number], grid: Grid) -> None:
        """Take the image, (S, A, R), any real type, and do once what does not depend on prompts.

        Intensities may have any unit.
        """

    def answer(self, prompts: Sequence[Prompt], current: NDArray[np.bool_]) -> Answer:
        """New mask for all prompts of one object, `current` being its mask now on the whole grid; the last prompt is
        the newest. A voxel marked positive is in the answer and one marked negative is not.

        Masks (S, A, R) of the whole grid.
        """
