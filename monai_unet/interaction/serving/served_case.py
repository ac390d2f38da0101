"""What one client has said: its image, the object's mask, the prompts so far, and the way back."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Box, Grid, bounding_box, union, whole_box
from monai_unet.interaction.prompts import Answerer, Prompt
from monai_unet.interaction.remote import stated, unpack_into
from monai_unet.interaction.serving.kept import KeptArray, MemoryBudget

MOST_PROMPTS = 512
"""Of one object: every one is drawn again for each answer."""

MOST_STEPS, MOST_STEP_BYTES = 32, 64 << 20
"""That can be undone, and what their masks may take, compressed."""


@dataclass(frozen=True)
class _Step:
    """What an operation found: the prompts, and the mask where it was changed."""

    prompts: tuple[Prompt, ...]
    waiting: tuple[Prompt, ...]
    masks: tuple[tuple[Box, bytes], ...]

    @property
    def bytes(self) -> int:
        return sum(len(packed) for _, packed in self.masks)


class ServedCase:
    """One client's image and object. Everything is (S, A, R) in the order in which the client sends it.

    Args:
        fresh: makes an answerer that has seen no image.
        budget: of the memory of all clients.
        most_voxels: of an image.
        on_disk: where images lie, see `KeptArray`.
    """

    def __init__(self, fresh: Callable[[], Answerer], budget: MemoryBudget, *, most_voxels: int, on_disk: bool) -> None:
        self._fresh, self._budget, self._most, self._on_disk = fresh, budget, most_voxels, on_disk
        self._image: KeptArray | None = None
        self._mask: KeptArray | None = None
        self._answerer: Answerer | None = None
        self._grid: Grid | None = None
        self._dtype: np.dtype[np.generic] = np.dtype(np.uint8)
        self._prompts: list[Prompt] = []
        self._waiting: list[Prompt] = []
        self._steps: list[_Step] = []

    @property
    def grid(self) -> Grid:
        """Of the image.

        Raises:
            InputError: none was sent.
        """
        if self._grid is None:
            raise InputError("no image was sent yet; send one first (set_image).")
        return self._grid

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(S, A, R) the object now."""
        self.grid  # noqa: B018  (raises)
        assert self._mask is not None
        return self._mask.array.view(np.bool_)

    def set_image(self, packed: bytes | bytearray | memoryview, spacing: Sequence[float]) -> tuple[int, ...]:
        """Take a packed image (1, S, A, R) with its spacing in mm along these axes; what was said before is forgotten.

        Raises:
            InputError: not one channel of three axes, larger than allowed, or damaged.
        """
        says = stated(packed)
        if len(says.shape) != 4 or says.shape[0] != 1:
            raise InputError(f"an image of shape {says.shape} was sent; this editor takes one channel, (1, S, A, R).")
        shape = (says.shape[1], says.shape[2], says.shape[3])
        if int(np.prod(shape, dtype=np.int64)) > self._most:
            raise InputError(f"an image of {shape} voxels was sent, more than the {self._most} that are allowed here.")
        self.close()
        try:
            self._image = KeptArray(says.shape, says.dtype, self._budget, on_disk=self._on_disk)
            self._mask = KeptArray(shape, np.uint8, self._budget, on_disk=self._on_disk)
            unpack_into(packed, self._image.array)
            image = self._image.array[0]
            grid = Grid(shape, np.diag([*spacing, 1.0]))
            answerer = self._fresh()
            answerer.start(_finite(image), grid)  # type: ignore[arg-type]
        except BaseException:
            self.close()
            raise
        self._answerer, self._grid = answerer, grid
        return says.shape

    def set_target(self, shape: Sequence[int], dtype: DTypeLike) -> None:
        """Begin an empty object, whose mask is sent as this type.

        Raises:
            InputError: of another shape than the image.
        """
        if tuple(shape) != self.grid.shape:
            raise InputError(f"the target has {tuple(shape)} voxels and the image {self.grid.shape}.")
        self._dtype = np.dtype(dtype)
        self.reset()

    def reset(self) -> None:
        """Forget the object and all that was said about it."""
        self._prompts, self._waiting, self._steps = [], [], []
        if self._mask is not None:
            self._mask.array[...] = 0

    def begin_with(self, mask: NDArray[np.generic]) -> None:
        """Take a mask (S, A, R) as the object, in place of all that was said; one step.

        Raises:
            InputError: of another shape than the image.
        """
        if mask.shape != self.grid.shape:
            raise InputError(f"a mask of {mask.shape} voxels was sent, the image has {self.grid.shape}.")
        given = mask != 0
        area = bounding_box(given | self.mask) or whole_box((0, 0, 0))
        self._remember([area])
        self.mask[...] = given
        self._prompts, self._waiting = [], []

    def add(self, prompts: Sequence[Prompt], *, answered: bool = False) -> None:
        """Take prompts to be answered by `predict`; one step.

        Args:
            answered: the mask that was begun with holds their answers; later ones are answered in their light.

        Raises:
            InputError: too many by now.
        """
        self.grid  # noqa: B018  (raises)
        if len(self._prompts) + len(self._waiting) + len(prompts) > MOST_PROMPTS:
            raise InputError(f"more than {MOST_PROMPTS} prompts were given for one object; begin another one.")
        self._remember([])
        if answered:
            self._prompts += prompts
        else:
            self._waiting += prompts

    def predict(self) -> Box | None:
        """Answer what waits, in its order; the box of the mask that may have changed, None where nothing waited.

        Raises:
            InputError: a prompt cannot be answered; all that waits is forgotten, and the mask is as it was.
        """
        self.grid  # noqa: B018  (raises)
        assert self._answerer is not None
        if not self._waiting:
            return None
        if not self._steps:
            self._remember([])
        changed: Box | None = None
        masks: list[tuple[Box, bytes]] = []
        said, waiting = list(self._prompts), self._waiting
        try:
            for prompt in waiting:
                said.append(prompt)
                answer = self._answerer.answer(tuple(said), self.mask)
                masks.append((answer.box, _packed(self.mask[answer.box])))
                self.mask[answer.box] = answer.mask
                changed = union(changed, answer.box) if changed is not None else answer.box
        except BaseException:
            for box, before in reversed(masks):
                self._restore(box, before)
            if self._steps:
                self._prompts = list(self._steps.pop().prompts)
            self._waiting = []
            raise
        self._prompts, self._waiting = said, []
        last = self._steps[-1]
        self._steps[-1] = _Step(last.prompts, last.waiting, last.masks + tuple(masks))
        self._forget_old()
        return changed

    def undo(self) -> tuple[bool, Box | None]:
        """Take the last step back: whether there was one, and the box of the mask that it changed."""
        if not self._steps:
            return False, None
        step = self._steps.pop()
        changed: Box | None = None
        for box, before in reversed(step.masks):
            self._restore(box, before)
            changed = union(changed, box) if changed is not None else box
        self._prompts, self._waiting = list(step.prompts), list(step.waiting)
        return True, changed

    def shown(self, box: Box) -> NDArray[np.generic]:
        """The mask in a box, as the client wants it."""
        return self.mask[box].astype(self._dtype)

    def rest(self) -> None:
        """Take as little memory as possible until the next prompt."""
        for kept in (self._image, self._mask):
            if kept is not None:
                kept.rest()

    def close(self) -> None:
        """Forget the image and give its memory back."""
        self._answerer = self._grid = None
        self._prompts, self._waiting, self._steps = [], [], []
        for kept in (self._image, self._mask):
            if kept is not None:
                kept.close()
        self._image = self._mask = None

    def _remember(self, boxes: Sequence[Box]) -> None:
        masks = tuple((box, _packed(self.mask[box])) for box in boxes)
        self._steps.append(_Step(tuple(self._prompts), tuple(self._waiting), masks))
        self._forget_old()

    def _forget_old(self) -> None:
        while len(self._steps) > 1 and (
            len(self._steps) > MOST_STEPS or sum(step.bytes for step in self._steps) > MOST_STEP_BYTES
        ):
            del self._steps[0]

    def _restore(self, box: Box, before: bytes) -> None:
        part = self.mask[box]
        bits = np.frombuffer(zlib.decompress(before), dtype=np.uint8)
        part[...] = np.unpackbits(bits, count=part.size).reshape(part.shape)


def _packed(mask: NDArray[np.bool_]) -> bytes:
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def _finite(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """The image (S, A, R) with the median in place of what is no number, written into it."""
    if image.dtype.kind == "f":
        known = np.isfinite(image)
        if not known.all():
            image[~known] = np.median(image[known]) if known.any() else 0
    return image
