"""What each path of the protocol asks of a conversation, every field checked, and what is said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Box
from monai_unet.interaction.prompts import Prompt
from monai_unet.interaction.remote import ANSWERED, pack_array, unpack_array
from monai_unet.interaction.serving.leases import Lease, Leases
from monai_unet.interaction.serving.marks import lassos_in, scribbles_in
from monai_unet.interaction.serving.served_case import ServedCase

ARRAYS = ("set_image", "add_scribble_interaction", "add_lasso_interaction", "add_initial_seg_interaction")
"""Whose body is a packed array and whose JSON stands in a header."""

_PAIR, _AXES = 2, 3
_FARTHEST = 1e6


@dataclass(frozen=True)
class Asked:
    """A request: the path's name, its JSON, and the array that came with it."""

    name: str
    values: Mapping[str, object]
    array: bytearray | None = None


@dataclass(frozen=True)
class Said:
    """An answer: JSON, or bytes with JSON beside them; `session` names one that begins or ends here."""

    value: Mapping[str, object]
    status: int = 200
    body: bytes | None = None
    session: int = 0


class Requests:
    """Works on what was asked.

    Args:
        leases: of the server.
        capabilities: what the server says of itself.
        answers: the one thread in which prompts are answered.
        most_voxels: of an image.
    """

    def __init__(
        self, leases: Leases, capabilities: Mapping[str, object], answers: Executor, *, most_voxels: int
    ) -> None:
        self._leases, self._capabilities, self._answers, self._most = leases, capabilities, answers, most_voxels
        self._works: Mapping[str, Callable[[Asked, ServedCase], Said]] = {
            "set_image": self._set_image,
            "set_target_buffer": self._set_target,
            "set_do_autozoom": lambda asked, conversation: Said({}),
            "reset_interactions": self._reset,
            "undo": self._undo,
            "predict": lambda asked, conversation: self._predict(conversation),
            "add_point_interaction": self._point,
            "add_bbox_interaction": self._box,
            "add_scribble_interaction": self._marks,
            "add_lasso_interaction": self._marks,
            "add_initial_seg_interaction": self._begin_with,
        }

    def about_sessions(self, name: str, token: str) -> Said:
        """A session begun or ended, or what the server can do.

        Raises:
            FullError: there are as many sessions as may be.
        """
        if name == "capabilities":
            return Said(self._capabilities)
        if name == "release":
            ended = self._leases.release(token)
            return Said({"released": True}, session=ended.number if ended is not None else 0)
        given, lease = self._leases.claim()
        limits = {"idle_timeout_seconds": self._leases.idle, "liveness_timeout_seconds": self._leases.alive}
        return Said({"lease_token": given, **limits, "max_sessions": self._leases.most}, session=lease.number)

    def about_time(self, name: str, lease: Lease) -> Said:
        """How long a session lasts if nothing is done."""
        left = {"remaining_seconds": self._leases.left(lease)}
        return Said(left | ({"idle_timeout_seconds": self._leases.idle} if name == "lease_status" else {}))

    def asked(self, asked: Asked, conversation: ServedCase) -> Said:
        """Everything about an image.

        Raises:
            InputError: it cannot be done; the conversation is as it was.
        """
        return self._works[asked.name](asked, conversation)

    def _set_image(self, asked: Asked, conversation: ServedCase) -> Said:
        properties = asked.values.get("image_properties") or {}
        spacing = properties.get("spacing") if isinstance(properties, Mapping) else None
        shape = conversation.set_image(asked.array or b"", (1.0, 1.0, 1.0) if spacing is None else _spacing(spacing))
        return Said({"original_image_shape": list(shape)})

    def _set_target(self, asked: Asked, conversation: ServedCase) -> Said:
        shape, dtype = _numbers(asked.values.get("shape"), _AXES, "shape"), str(asked.values.get("dtype"))
        if dtype not in ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"):
            raise InputError("the target must be of a whole number's type or bool.")
        conversation.set_target([int(n) for n in shape], dtype)
        return Said({})

    def _reset(self, asked: Asked, conversation: ServedCase) -> Said:
        conversation.reset()
        return Said({})

    def _undo(self, asked: Asked, conversation: ServedCase) -> Said:
        undone, box = conversation.undo()
        return _changed(conversation, box, ran=undone)

    def _point(self, asked: Asked, conversation: ServedCase) -> Said:
        place = _numbers(asked.values.get("coordinates"), _AXES, "coordinates")
        world = conversation.grid.to_world([place])
        return self._added([Prompt("point", _sign(asked), world)], asked, conversation)

    def _box(self, asked: Asked, conversation: ServedCase) -> Said:
        low, high = _span(asked.values.get("bbox_coords"), "bbox_coords")
        flat = [axis for axis in range(_AXES) if high[axis] - low[axis] == 1]
        corners = conversation.grid.to_world([low, [n - 1 for n in high]])
        prompt = Prompt("box", _sign(asked), corners, axis=flat[0] if flat else None)
        return self._added([prompt], asked, conversation)

    def _marks(self, asked: Asked, conversation: ServedCase) -> Said:
        mask, corner = self._array(asked), (0, 0, 0)
        shape = conversation.grid.shape
        if asked.values.get("interaction_bbox") is not None:
            low, high = _span(asked.values["interaction_bbox"], "interaction_bbox")
            if any(a < 0 or b > n for a, b, n in zip(low, high, shape, strict=True)):
                raise InputError(f"the mark's box {low} to {high} does not lie in the image of {shape} voxels.")
            shape, corner = (high[0] - low[0], high[1] - low[1], high[2] - low[2]), (low[0], low[1], low[2])
        if mask.shape != shape:
            raise InputError(f"the mark has {mask.shape} voxels and its box {shape}.")
        make = scribbles_in if asked.name == "add_scribble_interaction" else lassos_in
        return self._added(make(mask != 0, corner, conversation.grid, positive=_sign(asked)), asked, conversation)

    def _begin_with(self, asked: Asked, conversation: ServedCase) -> Said:
        if asked.values.get("run_prediction"):
            raise InputError("this editor refines a mask where a prompt tells it to, and not by itself; add a prompt.")
        conversation.begin_with(self._array(asked))
        return _changed(conversation, None, ran=False)

    def _added(self, prompts: Sequence[Prompt], asked: Asked, conversation: ServedCase) -> Said:
        run = asked.values.get("run_prediction", True)
        conversation.add(prompts, answered=not run and asked.values.get(ANSWERED) is True)
        if not run:
            return _changed(conversation, None, ran=False)
        return self._predict(conversation)

    def _predict(self, conversation: ServedCase) -> Said:
        box = self._answers.submit(conversation.predict).result()
        return _changed(conversation, box, ran=box is not None)

    def _array(self, asked: Asked) -> NDArray[np.generic]:
        return unpack_array(asked.array or b"", most_bytes=self._most * 8)


def _changed(conversation: ServedCase, box: Box | None, *, ran: bool) -> Said:
    if box is None:
        return Said({"ran_prediction": ran, "bbox": None}, body=b"")
    part = conversation.shown(box)
    about = {"bbox": [[s.start, s.stop] for s in box], "dtype": str(part.dtype), "shape": list(part.shape)}
    return Said({"ran_prediction": ran, **about}, body=pack_array(part))


def _sign(asked: Asked) -> bool:
    sign = asked.values.get("include_interaction")
    if not isinstance(sign, bool):
        raise InputError("say whether the mark belongs to the object (include_interaction: true or false).")
    return sign


def _spacing(value: object) -> list[float]:
    spacing = _numbers(value, _AXES, "spacing")
    if not all(1e-4 < mm < 1e4 for mm in spacing):
        raise InputError("the spacing must be three numbers of mm, each above 0.")
    return spacing


def _numbers(value: object, count: int, name: str) -> list[float]:
    if isinstance(value, list) and len(value) == count and not any(isinstance(n, bool) for n in value):
        found = [float(n) for n in value if isinstance(n, int | float) and math.isfinite(n) and abs(n) < _FARTHEST]
        if len(found) == count:
            return found
    raise InputError(f"'{name}' must be {count} numbers.")


def _span(value: object, name: str) -> tuple[list[int], list[int]]:
    """First voxel, and the one behind the last, along each axis."""
    pairs = value if isinstance(value, list) and len(value) == _AXES else [None] * _AXES
    spans = [[round(n) for n in _numbers(pair, _PAIR, name)] for pair in pairs]
    if any(a >= b for a, b in spans):
        raise InputError(f"'{name}' has no voxel along an axis.")
    return [a for a, _ in spans], [b for _, b in spans]
