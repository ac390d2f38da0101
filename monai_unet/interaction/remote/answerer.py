"""Prompts answered by a server of nnInteractive's protocol, whose state is made ours again before each question.

The server keeps an image, a mask and the prompts given on it. Where that is what our session has, only the newest
prompt is sent; where it is not (an undo, a removed prompt, a stroke of the brush, another lesion, a lease that was
lost), the mask and the earlier prompts are sent again first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Box, Grid, inside_of, make_box, union
from monai_unet.interaction.answering import Drawn, obey, prompt_drawn
from monai_unet.interaction.prompts import Answer, Prompt
from monai_unet.interaction.remote.connection import UPLOAD_S, Connection, LostLeaseError, ServerFacts, ServerReply
from monai_unet.interaction.remote.protocol import ANSWERED
from monai_unet.interaction.remote.wire import WireError, pack_array, packer, unpack_array

_MARKS = {"point": "points", "scribble": "scribble", "lasso": "lasso"}


class RemoteAnswerer:
    """A server as an `Answerer`. Nothing is sent before `start`; `facts` tells the licence of its model first.

    Args:
        address: `http://host:port`.
        key: that the server asks for; None takes `$NN_INTERACTIVE_API_KEY`.

    Raises:
        InputError: the server cannot be reached, or is none.
    """

    def __init__(self, address: str, *, key: str | None = None) -> None:
        packer()
        self._connection = Connection(address, key=key)
        self.name = self._connection.address
        self.facts: ServerFacts = self._connection.facts()
        self._image: NDArray[np.number] | None = None
        self._grid: Grid | None = None
        self._sent: list[Prompt] | None = None
        self._mask: NDArray[np.bool_] | None = None

    @staticmethod
    def check_address(address: str) -> None:
        """Whether an address could be a server's; nothing is asked of it.

        Raises:
            InputError: it could not.
        """
        Connection(address, key="")

    def start(self, image: NDArray[np.number], grid: Grid) -> None:
        """Send the image (S, A, R); what is no number is sent as the image's lowest value.

        Raises:
            InputError: it does not lie on the grid, or the server cannot be reached or refuses it.
        """
        if tuple(image.shape) != tuple(grid.shape):
            raise InputError(f"the image has {tuple(image.shape)} voxels and its grid {tuple(grid.shape)} (S, A, R).")
        image = np.asarray(image)
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            known = np.isfinite(image)
            image = np.where(known, image, image[known].min() if known.any() else 0).astype(image.dtype)
        known_everywhere = ("int8", "uint8", "int16", "int32", "float32")  # PyTorch computes little with the others
        image = image if image.dtype.name in known_everywhere else image.astype(np.float32)
        self._image, self._grid = image, grid
        self._begin()

    def answer(self, prompts: Sequence[Prompt], current: NDArray[np.bool_]) -> Answer:
        """What the server says, every prompt obeyed; see `Answerer.answer`.

        Masks (S, A, R) of the whole grid.

        Raises:
            InputError: no image yet, a prompt outside it or of a kind that the server does not take, or the server is
                gone, slow, or answers what does not fit the image.
        """
        started = time.perf_counter()
        if self._grid is None or not prompts:
            raise InputError("no image or no prompt was given; call start(image, grid) first.")
        drawn = [prompt_drawn(p, p.voxels(self._grid), self._grid.shape, self._grid.spacing) for p in prompts]
        newest = drawn[-1]
        if newest is None:
            raise InputError(f"The {prompts[-1].kind} lies outside the image; mark a place inside it.")
        current = np.asarray(current, dtype=bool)
        told = [(prompt, mark) for prompt, mark in zip(prompts, drawn, strict=True) if mark is not None]
        try:
            changed = self._asked(told, current)
        except LostLeaseError:
            self._begin()
            try:
                changed = self._asked(told, current)
            except LostLeaseError as error:
                self._sent = None
                raise InputError(
                    f"the server {self.name} forgets its clients at once; choose another method."
                ) from error
        except BaseException:
            self._sent = None  # what the server has now is not known
            raise
        box = union(newest.box, changed[0] if changed is not None else None)
        assert box is not None
        mask = current[box].copy()
        if changed is not None:
            mask[inside_of(changed[0], box)] = changed[1]
        obey(mask, box, [(mark, prompt.kind, prompt.positive) for prompt, mark in zip(prompts, drawn, strict=True)])
        notes = () if mask.any() else ("Nothing was found at this prompt; mark more of the object.",)
        return Answer(box, mask, milliseconds=1000 * (time.perf_counter() - started), notes=notes)

    def close(self) -> None:
        """Give the lease back; the next question takes another."""
        self._sent = None
        self._connection.release()

    def _begin(self) -> None:
        """A lease, and the image on it."""
        assert self._image is not None
        assert self._grid is not None
        self._sent, self._mask = None, None
        self._connection.claim()
        properties = {"image_properties": {"spacing": list(self._grid.spacing)}}
        try:
            packed = pack_array(self._image[None], threads=2)
            reply = self._connection.post("/set_image", properties, packed, seconds=UPLOAD_S)
            if reply.values.get("original_image_shape") != [1, *self._grid.shape]:
                raise InputError(f"the server {self.name} took another image than was sent; choose another method.")
            target = {"shape": list(self._grid.shape), "dtype": "uint8"}
            self._connection.post("/set_target_buffer", target)
        except LostLeaseError as error:
            raise InputError(_forgets(self.name)) from error
        self._sent, self._mask = [], np.zeros(self._grid.shape, dtype=bool)

    def _asked(
        self, told: Sequence[tuple[Prompt, Drawn]], current: NDArray[np.bool_]
    ) -> tuple[Box, NDArray[np.bool_]] | None:
        """The box that the server has changed, and the mask in it."""
        if not self._has([prompt for prompt, _ in told[:-1]], current):
            self._catch_up(told[:-1], current)
        assert self._sent is not None
        assert self._mask is not None
        sent, self._sent = self._sent, None  # until the answer is here and found good
        reply = self._send(*told[-1], answer=True)
        changed = self._part(reply)
        if changed is not None:
            self._mask[changed[0]] = changed[1]
        self._sent = [*sent, told[-1][0]]
        return changed

    def _has(self, earlier: Sequence[Prompt], current: NDArray[np.bool_]) -> bool:
        """Whether the server's mask and prompts are these."""
        if self._sent is None or self._mask is None or len(self._sent) != len(earlier):
            return False
        same = all(_same(a, b) for a, b in zip(self._sent, earlier, strict=True))
        return same and bool(np.array_equal(self._mask, current))

    def _catch_up(self, earlier: Sequence[tuple[Prompt, Drawn]], current: NDArray[np.bool_]) -> None:
        """Give the server our mask and the earlier prompts."""
        if self._sent is None and self._mask is None:
            raise LostLeaseError
        self._sent = None
        self._connection.post("/reset_interactions", {})
        if current.any():
            if not self.facts.begins_with_masks:
                raise InputError(f"the server {self.name} takes no mask to go on from; begin a new lesion for it.")
            values = {"run_prediction": False, "override_capability_checks": False}
            self._connection.post("/add_initial_seg_interaction", values, pack_array(current.astype(np.uint8)))
        for prompt, mark in earlier:
            self._send(prompt, mark, answer=False)
        self._mask, self._sent = current.copy(), [prompt for prompt, _ in earlier]

    def _send(self, prompt: Prompt, mark: Drawn, *, answer: bool) -> ServerReply:
        low, high = [s.start for s in mark.box], [s.stop for s in mark.box]
        how: dict[str, object] = {
            "include_interaction": prompt.positive,
            "run_prediction": answer,
            "override_capability_checks": False,
        }
        if not answer:
            how[ANSWERED] = True
        flat = any(b - a == 1 for a, b in zip(low, high, strict=True))
        kind = _MARKS.get(prompt.kind) or ("bbox2d" if flat else "bbox3d")
        if kind not in self.facts.marks:
            what = "box in three dimensions" if kind == "bbox3d" else prompt.kind
            raise InputError(f"the server {self.name} takes no {what}; mark it by points.")
        most = 8 * (self._image.size if self._image is not None else 0) + (1 << 20)
        if kind == "points":
            return self._connection.post("/add_point_interaction", how | {"coordinates": low}, most=most)
        spans = [list(span) for span in zip(low, high, strict=True)]
        if prompt.kind == "box":
            return self._connection.post("/add_bbox_interaction", how | {"bbox_coords": spans}, most=most)
        packed = pack_array(mark.voxels.astype(np.uint8))
        path = f"/add_{prompt.kind}_interaction"
        return self._connection.post(path, how | {"interaction_bbox": spans}, packed, most=most)

    def _part(self, reply: ServerReply) -> tuple[Box, NDArray[np.bool_]] | None:
        """The box and the mask of an answer, both of which must fit the image."""
        assert self._grid is not None
        ran, spans = reply.values.get("ran_prediction"), reply.values.get("bbox")
        if spans is None and ran is True and not reply.body:
            return None
        box = _box(spans, self._grid.shape)
        if ran is not True or box is None:
            raise InputError(f"the server {self.name} gives no answer that fits the image; nothing was changed.")
        shape = tuple(s.stop - s.start for s in box)
        try:
            mask = unpack_array(reply.body, most_bytes=8 * int(np.prod(shape)))
        except WireError as error:
            raise InputError(f"the server {self.name} sends a damaged mask ({error}); nothing was changed.") from error
        if mask.shape != shape or mask.dtype.kind not in "bui":
            raise InputError(
                f"the server {self.name} sends a mask of {mask.shape} voxels for a box of {shape}; nothing was changed."
            )
        return box, mask != 0


def _forgets(name: str) -> str:
    return f"the server {name} forgets its clients at once; choose another method."


def _box(spans: object, shape: Sequence[int]) -> Box | None:
    if not isinstance(spans, list) or len(spans) != 3:
        return None
    for span, n in zip(spans, shape, strict=True):
        whole = isinstance(span, list) and len(span) == 2 and all(type(value) is int for value in span)
        if not whole or not 0 <= span[0] < span[1] <= n:
            return None
    return make_box([low for low, _ in spans], [high for _, high in spans])


def _same(one: Prompt, other: Prompt) -> bool:
    facts = [(p.kind, p.positive, p.axis, p.radius) for p in (one, other)]
    return one is other or (facts[0] == facts[1] and np.array_equal(one.world, other.world))
