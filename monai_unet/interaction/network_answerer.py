"""The editor network behind prompts: one window around the click, at the scale of the object, coarse then fine.

On an empty mask the window starts small and grows until the object fits; with a mask it is laid around the object and
the newest prompt. Only changes that hang together with the newest prompt are taken over, so that a correction in one
place does not undo what was right elsewhere.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from scipy.ndimage import label
from torch import nn

from monai_unet.catalogue import Bundle, find_bundle
from monai_unet.errors import InputError
from monai_unet.inferers.runtime import OpenVINONetwork, TorchNetwork, openvino_installed
from monai_unet.interaction.boxes import bounding_box, grow, inside_of, make_box, union
from monai_unet.interaction.guidance import CHANNELS, Drawn, Marks, network_input, obey, prompt_drawn
from monai_unet.interaction.prompts import Answer, Box, Prompt
from monai_unet.interaction.zoom import Window
from monai_unet.io import Grid
from monai_unet.trust import require_trust
from monai_unet.weights import check_stated_hash, load_weights

CONNECTED = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class Zoom:
    """How the window follows the object; a bundle's config may state other numbers.

    Attributes:
        size: window voxels per axis.
        first_mm: field of the first window on an empty mask.
        growth: how much wider the next one is when the object reaches the border.
        fill: share of the window that the object's longest side takes.
        edge: share of a side's voxels that an object has to touch to count as cut off.
        fine: a correction is looked at again around the click with voxels this much smaller; 1: it is not.
        finest: the coarsest step, in image voxels, that needs no finer look.
    """

    size: int = 40
    first_mm: float = 40.0
    growth: float = 1.8
    fill: float = 0.6
    edge: float = 0.01
    fine: float = 2.0
    finest: float = 1.5


class NetworkAnswerer:
    """Answers prompts with the network of a bundle of kind "editor".

    Args:
        bundle: name or folder.
        checkpoint: other weights of the same network.
        trust: consent to run a bundle that is not built in.
        zoom: how windows are laid; by default as the bundle's config says.
        runtime: "auto": OpenVINO where it is installed, else PyTorch.

    Raises:
        InputError: no such bundle, or it answers no prompts.
    """

    def __init__(
        self,
        bundle: str | Path = "lesion_editor",
        *,
        checkpoint: str | Path | None = None,
        trust: bool = False,
        zoom: Zoom | None = None,
        runtime: str = "auto",
    ) -> None:
        found = find_bundle(bundle)
        require_trust(found, consent=trust)
        parser = _editor_config(found)
        self.name = found.name
        self.zoom = zoom or Zoom(**parser.get_parsed_content("zoom"))
        module: nn.Module = parser.get_parsed_content("network_def")
        weights = Path(checkpoint) if checkpoint is not None else found.root / "models" / "model.pt"
        if weights.is_file():
            check_stated_hash(found, weights)
        load_weights(module, weights)
        self._network = compiled_network(module.eval(), runtime)
        self._image: NDArray[Any] | None = None
        self._grid: Grid | None = None

    def start(self, image: NDArray[Any], grid: Grid) -> None:
        """Take the image (S, A, R); what is no number counts as the image's median.

        Raises:
            InputError: the image does not lie on the grid.
        """
        if tuple(image.shape) != tuple(grid.shape):
            raise InputError(f"the image has {tuple(image.shape)} voxels and its grid {tuple(grid.shape)} (S, A, R).")
        image = np.asarray(image)
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            known = np.isfinite(image)
            median = float(np.median(image[known])) if known.any() else 0.0
            image = np.where(known, image, np.asarray(median, dtype=image.dtype))
        self._image, self._grid = image, grid

    def answer(self, prompts: Sequence[Prompt], current: NDArray[np.bool_]) -> Answer:
        """The new mask after the newest prompt, in the box that may have changed.

        Raises:
            InputError: no image yet, no prompt, or the newest one lies wholly outside the image.
        """
        started = time.perf_counter()
        if self._image is None or self._grid is None:
            raise InputError("no image was given; call start(image, grid) first.")
        if not prompts:
            raise InputError("there is no prompt to answer; mark a point, scribble, box or lasso.")
        talk = _Talk(self._image, self._grid, prompts, np.asarray(current, dtype=bool), self.zoom)
        if talk.drawn[-1] is None:
            raise InputError("the newest prompt lies outside the image; mark a place inside it.")
        notes = []
        if talk.is_first():
            mask = self._first(talk)
        else:
            mask = self._correct(talk)
        box = talk.changed(mask)
        result = obey(mask[box].copy(), box, talk.told)
        if _contradictory(talk):
            notes.append("Prompts contradict each other where they overlap; the newest one holds there.")
        if not result.any():
            notes.append("Nothing was found at this prompt; mark more of the object.")
        return Answer(box, result, milliseconds=1000 * (time.perf_counter() - started), notes=tuple(notes))

    def _first(self, talk: _Talk) -> NDArray[np.bool_]:
        """An object nobody has outlined yet: wider windows until it fits, then one that fits it."""
        mask = np.zeros(talk.shape, dtype=bool)
        known = talk.marked()
        field = max(self.zoom.first_mm, talk.extent(known) / self.zoom.fill if talk.has_region() else 0.0)
        widest = 1.5 * max(n * s for n, s in zip(talk.shape, talk.spacing, strict=True))
        centre = talk.centre(known)
        for _ in range(5):
            window = Window.around(centre, field / self.zoom.size, talk.spacing, (self.zoom.size,) * 3)
            inside, likely = self._look(talk, window, mask)
            mask = talk.placed(mask, window, likely)
            if not talk.cut_off(inside, window) or field > widest:
                break
            field *= self.zoom.growth
        fitting = talk.fitting(mask)
        if fitting is not None and not 0.8 < fitting.step[2] / window.step[2] < 1.25:
            mask = talk.placed(mask, fitting, self._look(talk, fitting, mask)[1])
        return _piece_at(mask, talk)

    def _correct(self, talk: _Talk) -> NDArray[np.bool_]:
        """A mask and a newer prompt: the object as a whole, then the surroundings of the prompt at a finer scale."""
        before = talk.current
        window = talk.fitting(before)
        assert window is not None
        inside, likely = self._look(talk, window, before)
        mask = talk.placed(before, window, likely)
        mask = _hanging_together(before, mask, talk.drawn[-1])
        if self.zoom.fine > 1 and window.step[2] > self.zoom.finest:
            millimetres = window.step[2] * talk.spacing[2] / self.zoom.fine
            near = Window.around(talk.centre(talk.drawn[-1]), millimetres, talk.spacing, (self.zoom.size,) * 3)
            finer = talk.placed(mask, near, self._look(talk, near, mask)[1], margin=0.15)
            mask = _hanging_together(mask, finer, talk.drawn[-1])
        return mask

    def _look(
        self, talk: _Talk, window: Window, mask: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """What the network says in a window: the object's voxels there, and its logits."""
        marks = talk.marks(window)
        channels = network_input(window.read(talk.image), window.read(mask, outside=0.0), marks)
        with torch.no_grad():
            logits = self._network(torch.from_numpy(channels[None]))[0, 0].numpy()
        logits = np.where(marks.seeds[0], np.maximum(logits, 1), logits)
        logits = np.where(marks.seeds[1], np.minimum(logits, -1), logits).astype(np.float32)
        return logits > 0, logits


class _Talk:
    """One question: the image, what was marked, and the mask so far; knows how to lay and read windows."""

    def __init__(
        self, image: NDArray[Any], grid: Grid, prompts: Sequence[Prompt], current: NDArray[np.bool_], zoom: Zoom
    ) -> None:
        self.image, self.current, self.zoom, self.prompts = image, current, zoom, prompts
        self.shape, self.spacing = grid.shape, grid.spacing
        self.voxels = [prompt.voxels(grid) for prompt in prompts]
        self.drawn = [
            prompt_drawn(prompt, voxels, grid.shape, grid.spacing)
            for prompt, voxels in zip(prompts, self.voxels, strict=True)
        ]
        self.told = [(d, p.kind, p.positive) for d, p in zip(self.drawn, prompts, strict=True)]
        self.current_box = bounding_box(current)

    def is_first(self) -> bool:
        return self.current_box is None

    def has_region(self) -> bool:
        return any(p.positive and p.kind != "point" for p in self.prompts)

    def marked(self) -> Drawn:
        """The box of all positive prompts, of the newest one where none is positive."""
        boxes = [d.box for d, kind, positive in self.told if positive and d is not None]
        box = union(*boxes) or self.drawn[-1].box  # type: ignore[union-attr]
        return Drawn(box, np.ones([s.stop - s.start for s in box], dtype=bool))

    def extent(self, drawn: Drawn) -> float:
        return max((s.stop - s.start) * mm for s, mm in zip(drawn.box, self.spacing, strict=True))

    def centre(self, drawn: Drawn | None) -> list[float]:
        assert drawn is not None
        return [(s.start + s.stop - 1) / 2 for s in drawn.box]

    def marks(self, window: Window) -> Marks:
        marks = Marks(window.size)
        for prompt, voxels in zip(self.prompts, self.voxels, strict=True):
            radius = prompt.radius / max(s * t for s, t in zip(self.spacing, window.step, strict=True))
            marks.add(prompt.kind, prompt.positive, window.to_window(voxels), axis=prompt.axis, radius=radius)
        return marks

    def fitting(self, mask: NDArray[np.bool_]) -> Window | None:
        """The window around the mask and the newest prompt, the object filling its share; None for an empty mask."""
        newest = self.drawn[-1]
        assert newest is not None
        found = bounding_box(mask)
        if found is None:
            return None
        box = union(found, newest.box)
        assert box is not None
        extent = max((s.stop - s.start) * mm for s, mm in zip(box, self.spacing, strict=True))
        millimetres = max(extent / self.zoom.fill / self.zoom.size, 0.5 * min(self.spacing))
        centre = [(s.start + s.stop - 1) / 2 for s in box]
        return Window.around(centre, millimetres, self.spacing, (self.zoom.size,) * 3)

    def cut_off(self, inside: NDArray[np.bool_], window: Window) -> bool:
        """Whether the object reaches a side of the window behind which the image goes on."""
        for axis, (start, step, size, n) in enumerate(
            zip(window.start, window.step, window.size, self.shape, strict=True)
        ):
            faces = np.moveaxis(inside, axis, 0)
            if start > 0 and faces[0].mean() > self.zoom.edge:
                return True
            if start + step * (size - 1) < n - 1 and faces[-1].mean() > self.zoom.edge:
                return True
        return False

    def placed(
        self, mask: NDArray[np.bool_], window: Window, likely: NDArray[np.float32], *, margin: float = 0.0
    ) -> NDArray[np.bool_]:
        """The mask with the window's answer in it; a `margin` (share of each side) of the window is left as it was."""
        box, logits = window.write(likely, self.shape)
        inner = [
            slice(
                s.start if s.start == 0 else s.start + round(margin * (s.stop - s.start)),
                s.stop if s.stop == n else s.stop - round(margin * (s.stop - s.start)),
            )
            for s, n in zip(box, self.shape, strict=True)
        ]
        target: Box = (inner[0], inner[1], inner[2])
        result = mask.copy()
        result[target] = logits[inside_of(target, box)] > 0
        return result

    def changed(self, mask: NDArray[np.bool_]) -> Box:
        """The box of all that differs from the mask before, the newest prompt included."""
        newest = self.drawn[-1]
        assert newest is not None
        everything = [d.box for d in self.drawn if d is not None]
        box = union(bounding_box(mask != self.current), *everything)
        assert box is not None
        return box


def compiled_network(module: nn.Module, runtime: str = "auto") -> TorchNetwork | OpenVINONetwork:
    """The network ready for the CPU: by OpenVINO, kept compiled for the next start, where it is installed and agrees.

    Raises:
        InputError: OpenVINO was asked for and is not installed.
    """
    if runtime == "openvino" and not openvino_installed():
        raise InputError("OpenVINO is not installed; install monai-unet[openvino], or use the runtime torch.")
    if runtime != "torch" and openvino_installed():
        network = OpenVINONetwork(module, channels=len(CHANNELS), cache=Path.home() / ".monai-unet" / "openvino")
        with contextlib.suppress(Exception):
            if network.check() < 1e-3:
                return network
    return TorchNetwork(module)


def _editor_config(bundle: Bundle) -> ConfigParser:
    if bundle.kind != "editor":
        raise InputError(f"the bundle '{bundle.name}' segments by itself and answers no prompts; use lesion_editor.")
    parser = ConfigParser()
    parser.read_config(str(bundle.root / "configs" / "inference.json"))
    return parser


def _hanging_together(
    before: NDArray[np.bool_], after: NDArray[np.bool_], newest: Drawn | None
) -> NDArray[np.bool_]:
    """`before` with those connected changes to `after` that touch the newest prompt or lie beside it."""
    assert newest is not None
    changes = before != after
    box = bounding_box(changes)
    if box is None:
        return before
    pieces, _ = label(changes[box], structure=CONNECTED)
    near = grow(newest.box, (2, 2, 2), before.shape)
    both = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(near, box, strict=True)]
    result = before.copy()
    if any(s.start >= s.stop for s in both):
        return result
    touched = np.unique(pieces[inside_of((both[0], both[1], both[2]), box)])
    kept = np.isin(pieces, touched[touched > 0])
    result[box] ^= kept
    return result


def _piece_at(mask: NDArray[np.bool_], talk: _Talk) -> NDArray[np.bool_]:
    """The connected pieces of the mask that a positive prompt touches; all of them where none is touched."""
    box = bounding_box(mask)
    if box is None:
        return mask
    pieces, _ = label(mask[box], structure=CONNECTED)
    numbers: set[int] = set()
    for drawn, _, positive in talk.told:
        if drawn is None or not positive:
            continue
        both = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(drawn.box, box, strict=True)]
        if all(s.start < s.stop for s in both):
            numbers |= {int(n) for n in np.unique(pieces[inside_of((both[0], both[1], both[2]), box)])}
    numbers.discard(0)
    if not numbers:
        return mask
    result = np.zeros_like(mask)
    result[box] = np.isin(pieces, list(numbers))
    return result


def _contradictory(talk: _Talk) -> bool:
    """Whether the newest prompt marks a voxel that an older one marked the other way."""
    newest, _, sign = talk.told[-1]
    assert newest is not None
    for drawn, kind, positive in talk.told[:-1]:
        if drawn is None or positive == sign or kind in ("box", "lasso"):
            continue
        low = [max(a.start, b.start) for a, b in zip(drawn.box, newest.box, strict=True)]
        high = [min(a.stop, b.stop) for a, b in zip(drawn.box, newest.box, strict=True)]
        if any(a >= b for a, b in zip(low, high, strict=True)):
            continue
        shared = make_box(low, high)
        if (drawn.voxels[inside_of(shared, drawn.box)] & newest.voxels[inside_of(shared, newest.box)]).any():
            return True
    return False
