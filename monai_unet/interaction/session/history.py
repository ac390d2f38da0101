"""Steps that can be taken back and made again, without a limit to their number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.geometry import Box
from monai_unet.interaction.session.document import Document
from monai_unet.interaction.session.payload import Patch


@dataclass(frozen=True, eq=False)
class UndoStep:
    """One operation of the user.

    Attributes:
        what: in words, for the undo button: "brush on lesion 2".
        patch: changed labels, None where no voxel changed.
        before, after: the rest of the state.
        values: the objects whose voxels changed.
    """

    what: str
    patch: Patch | None
    before: Document
    after: Document
    values: tuple[int, ...] = ()

    @property
    def box(self) -> Box | None:
        """Where voxels changed."""
        return self.patch.box if self.patch else None


class UndoHistory:
    """Undo and redo stacks over one label map, which is written in place."""

    def __init__(self) -> None:
        self.done: list[UndoStep] = []
        self.undone: list[UndoStep] = []

    def push(self, step: UndoStep) -> None:
        """A new step; what was undone before it cannot be made again."""
        self.done.append(step)
        self.undone.clear()

    def undo(self, labels: NDArray[np.uint16]) -> UndoStep:
        """Write the labels before the last step and move it to the other stack."""
        step = self.done[-1]
        if step.patch:
            labels[step.patch.box] = step.patch.labels_before()
        self.undone.append(self.done.pop())
        return step

    def redo(self, labels: NDArray[np.uint16]) -> UndoStep:
        """Write the labels after the last undone step and move it back."""
        step = self.undone[-1]
        if step.patch:
            labels[step.patch.box] = step.patch.labels_after()
        self.done.append(self.undone.pop())
        return step
