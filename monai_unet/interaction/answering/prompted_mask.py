"""One question to the editor: the prompts, the mask so far, which windows to look through, what to take from each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from monai_unet.errors import InputError
from monai_unet.geometry import Box, Grid, bounding_box, grow, inside_of, intersection, union
from monai_unet.interaction.answering.guidance import Drawn, DrawnPrompts, obey, prompt_drawn
from monai_unet.interaction.answering.rays import look_around
from monai_unet.interaction.answering.window import ImageWindow
from monai_unet.interaction.prompts import Prompt

CONNECTED = np.ones((3, 3, 3), dtype=bool)
BESIDE = 2
"""A change within so many voxels of the newest prompt belongs to it."""


@dataclass(frozen=True)
class WindowScales:
    """How windows follow the object; a bundle's config states the numbers that its weights were tried with.

    Attributes:
        size: window voxels per axis.
        first_mm: fields in mm of the windows through which an object without an outline is looked for.
        wider: what a field twice as wide gains against the expected Dice of a finer one, when they are compared.
        likely: the field that a click suggests, in units of the median distance at which its rays meet other tissue.
        unlikely: what a field half or twice as wide as that loses; one farther off loses no more.
        fill: share of the window that the object's longest side takes.
        fine: a correction is looked at again around the click with voxels this much smaller; 1: it is not.
        finest: the coarsest step, in image voxels, that needs no finer look.
        reach: how far around a point a correction may change the mask, in times the point's distance to the border of
            the mask as it was; a point in the middle of an error is as far from that border as the error is deep.
        on_slices: across thick slices a window lies on them, where the weights were trained so.
    """

    size: int = 32
    first_mm: Sequence[float] = (20.0, 28.0, 40.0, 64.0, 100.0, 160.0, 256.0)
    wider: float = 0.0
    likely: float = 4.0
    unlikely: float = 0.05
    fill: float = 0.6
    fine: float = 2.0
    finest: float = 1.5
    reach: float = 4.0
    on_slices: bool = False


@dataclass(frozen=True, eq=False)
class WindowAnswer:
    """What the network said in a window: logits of its size, and the Dice it expects of them."""

    window: ImageWindow
    logits: NDArray[np.float32]
    expected_dice: float


class PromptedMask:
    """The prompts of one object and its mask on the whole grid, which `take` changes.

    Raises:
        InputError: the newest prompt lies wholly outside the image.
    """

    def __init__(
        self,
        image: NDArray[np.number],
        grid: Grid,
        prompts: Sequence[Prompt],
        current: NDArray[np.bool_],
        zoom: WindowScales,
    ) -> None:
        self.image, self.current, self.zoom, self.prompts = image, current, zoom, prompts
        self.shape, self.spacing = grid.shape, grid.spacing
        self.voxels = [prompt.voxels(grid) for prompt in prompts]
        both = list(zip(prompts, self.voxels, strict=True))
        self.drawn = [prompt_drawn(prompt, voxels, grid.shape, grid.spacing) for prompt, voxels in both]
        self.told = [(d, p.kind, p.positive) for d, p in zip(self.drawn, prompts, strict=True)]
        if self.drawn[-1] is None:
            raise InputError("the newest prompt lies outside the image; mark a place inside it.")
        self.newest: Drawn = self.drawn[-1]
        self.current_box = bounding_box(current)
        self.mask = current.copy()
        self._touched: Box | None = None
        self._clicked: float | None = None

    def marks(self, window: ImageWindow) -> DrawnPrompts:
        """All prompts on the voxels of a window."""
        marks = DrawnPrompts(window.size)
        for prompt, voxels in zip(self.prompts, self.voxels, strict=True):
            radius = prompt.radius / max(s * t for s, t in zip(self.spacing, window.step, strict=True))
            marks.add(prompt.kind, prompt.positive, window.to_window(voxels), axis=prompt.axis, radius=radius)
        return marks

    def first_windows(self) -> list[ImageWindow]:
        """Windows around what was marked positive, fine to coarse; one where a region was drawn, which tells the size.

        Fields finer than the image or wider than it are left out, down to one.
        """
        boxes = [d.box for d, _, positive in self.told if positive and d is not None]
        box = union(*boxes) or self.newest.box
        if any(positive and kind != "point" for _, kind, positive in self.told):
            fields = [max(self._longest(box) / self.zoom.fill, self.zoom.size * 0.5 * min(self.spacing))]
        else:
            least = self.zoom.size * 0.4 * min(self.spacing)
            most = 1.3 * max(n * s for n, s in zip(self.shape, self.spacing, strict=True))
            wanted = [float(field) for field in self.zoom.first_mm]
            fields = [f for f in wanted if least <= f <= most] or [min(wanted, key=lambda f: abs(f - most))]
        return [self.window(box, field / self.zoom.size) for field in fields]

    def window(self, box: Box, millimetres: float) -> ImageWindow:
        """The window around the middle of a box, at so many mm per voxel."""
        size, on_slices = (self.zoom.size,) * 3, self.zoom.on_slices
        return ImageWindow.around(middle(box), millimetres, self.spacing, size, on_slices=on_slices)

    def worth(self, look: WindowAnswer) -> float:
        """How good a first answer seems: the Dice it expects, less where its field is not what the click suggests."""
        wider = self.zoom.wider * float(np.log2(self._field(look.window)))
        return look.expected_dice + wider - self.zoom.unlikely * min(1.0, self.unlikeliness(look.window))

    def unlikeliness(self, window: ImageWindow) -> float:
        """How far the field of a window is from the one that the newest prompt suggests, in doublings."""
        return abs(float(np.log2(self._field(window) / (self.zoom.likely * self._reach_of_click()))))

    def _field(self, window: ImageWindow) -> float:
        """Its shortest side in mm: across thick slices a window is long whatever was wanted."""
        return min(step * mm * n for step, mm, n in zip(window.step, self.spacing, window.size, strict=True))

    def _reach_of_click(self) -> float:
        if self._clicked is None:
            centre = np.array([round(c) for c in middle(self.newest.box)])
            self._clicked = look_around(self.image, self.spacing, centre)[1]
        return self._clicked

    def mask_in(self, window: ImageWindow) -> NDArray[np.float32]:
        """The mask so far inside a window, 0 to 1."""
        if self.current_box is None and self._touched is None:
            return np.zeros(window.size, dtype=np.float32)
        return window.read(self.mask, outside=0.0)

    def fitting(self) -> ImageWindow | None:
        """The window around the mask and the newest prompt, the object filling its share; None for an empty mask."""
        area = union(self.current_box, self._touched)
        if area is None:
            return None
        found = bounding_box(self.mask[area], within=area)
        if found is None:
            return None
        box = union(found, self.newest.box)
        assert box is not None
        millimetres = max(self._longest(box) / self.zoom.fill / self.zoom.size, 0.5 * min(self.spacing))
        return self.window(box, millimetres)

    def take(
        self,
        look: WindowAnswer,
        *,
        pieces: Literal["marked", "beside"],
        margin: float = 0.0,
        within: float | None = None,
    ) -> None:
        """Change the mask to what a look says, in the window without a margin (a share of each side).

        Args:
            pieces: "marked": of the answer, connected pieces that a positive prompt touches; "beside": of the changes,
                connected pieces at the newest prompt, so that a correction does not undo what was right elsewhere; of
                a point or scribble that includes only what it adds, of one that excludes what it removes.
            within: of the changes, those so many mm from the newest prompt.
        """
        box, logits = look.window.write(look.logits, self.shape)
        spans = []
        for span, n in zip(box, self.shape, strict=True):
            off = round(margin * (span.stop - span.start))
            spans.append(slice(span.start + off * (span.start > 0), span.stop - off * (span.stop < n)))
        part: Box = (spans[0], spans[1], spans[2])
        said, before = logits[inside_of(part, box)] > 0, self.mask[part]
        self._touched = union(self._touched, part)
        if pieces == "marked":
            boxes = [d.box for d, _, positive in self.told if positive and d is not None]
            before[...] = _touching(said, part, boxes, all_if_none=True)
        else:
            place = grow(self.newest.box, (BESIDE,) * 3, self.shape)
            changes = said ^ before
            kind, positive = self.told[-1][1:]
            if kind in ("point", "scribble"):
                changes &= said == positive
            if within is not None:
                changes &= self._distance(part) <= within
            before ^= _touching(changes, part, [place], all_if_none=False)

    def begin_with(self, box: Box, mask: NDArray[np.bool_]) -> None:
        """Instead of what was taken so far: another mask inside a box, and nothing beside it."""
        if self._touched is not None:
            self.mask[self._touched] = self.current[self._touched]
        self.mask[box] = mask
        self._touched = union(self._touched, box)

    def reach(self, window: ImageWindow) -> float | None:
        """How far in mm from the newest prompt a correction may change the mask; None (anywhere) for a region."""
        kind, positive = self.told[-1][1:]
        if kind in ("box", "lasso"):
            return None
        lengths = np.array(window.step) * self.spacing
        place = window.to_window(np.array([middle(self.newest.box)]))[0]
        border = np.argwhere((window.read(self.mask, outside=0.0) > 0.5) == positive)
        depth = np.sqrt((((border - place) * lengths) ** 2).sum(1).min(initial=np.inf))
        return float(max(self.zoom.reach * depth, 3 * lengths.max()))

    def _distance(self, part: Box) -> NDArray[np.float32]:
        """Distance in mm of each voxel of a box to the box of the newest prompt."""
        squares = []
        for span, own, mm in zip(part, self.newest.box, self.spacing, strict=True):
            index = np.arange(span.start, span.stop)
            off = np.maximum(0, np.maximum(own.start - index, index - own.stop + 1)) * mm
            squares.append((off**2).astype(np.float32))
        return np.sqrt(squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :])

    def result(self) -> tuple[Box, NDArray[np.bool_]]:
        """The box that changed or was marked, and the new mask in it, every prompt obeyed."""
        area = union(self._touched, *(d.box for d in self.drawn if d is not None))
        assert area is not None
        obey(self.mask[area], area, self.told)
        box = union(bounding_box(self.mask[area] != self.current[area], within=area), self.newest.box)
        assert box is not None
        return box, self.mask[box].copy()

    def contradictory(self) -> bool:
        """Whether the newest prompt marks a voxel that an older one marked the other way."""
        sign = self.told[-1][2]
        for drawn, kind, positive in self.told[:-1]:
            if drawn is None or positive == sign or (positive and kind in ("box", "lasso")):
                continue
            shared = intersection(drawn.box, self.newest.box)
            if shared is None:
                continue
            one, two = (
                drawn.voxels[inside_of(shared, drawn.box)],
                self.newest.voxels[inside_of(shared, self.newest.box)],
            )
            if (one & two).any():
                return True
        return False

    def _longest(self, box: Box) -> float:
        return max((s.stop - s.start) * mm for s, mm in zip(box, self.spacing, strict=True))


def middle(box: Box) -> list[float]:
    """The centre of a box in voxel indices."""
    return [(s.start + s.stop - 1) / 2 for s in box]


def expected_dice(logits: NDArray[np.float32], marks: DrawnPrompts) -> float:
    """The Dice that the network, by its own probabilities, expects of the piece at the positive marks."""
    pieces, _ = label(logits > 0)
    numbers = np.unique(pieces[marks.seeds[0]])
    inside = np.isin(pieces, numbers[numbers > 0])
    likely = 1 / (1 + np.exp(-logits))
    return float(2 * likely[inside].sum() / (inside.sum() + likely.sum()))


def _touching(mask: NDArray[np.bool_], within: Box, places: Sequence[Box], *, all_if_none: bool) -> NDArray[np.bool_]:
    """The connected pieces of a mask that lies in the box `within` which reach into one of the places."""
    box = bounding_box(mask)
    if box is None:
        return mask
    pieces, _ = label(mask[box], structure=CONNECTED)
    offset = [w.start for w in within]
    outer: Box = tuple(slice(b.start + o, b.stop + o) for b, o in zip(box, offset, strict=True))  # type: ignore[assignment]
    numbers: set[int] = set()
    for place in places:
        shared = intersection(place, outer)
        if shared is not None:
            numbers |= {int(n) for n in np.unique(pieces[inside_of(shared, outer)])}
    numbers.discard(0)
    if not numbers and all_if_none:
        return mask
    result = np.zeros_like(mask)
    result[box] = np.isin(pieces, sorted(numbers))
    return result
