"""Training windows for the editor: an object of a labelled case, a drawn lesion, a piece of even tissue or of a scene.

Every window is a cube of voxels with one object in it, at a random scale relative to the object, in a random
orientation and contrast; nothing of the modality, the axes or the intensity scale can be learnt from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from monai_unet.interaction.answering import ImageWindow
from monai_unet.training.editor_cases import SMALLEST, EditorCase
from monai_unet.training.invented_windows import Sample, drawn_lesion, even_tissue, noise, scene

KINDS = {"labelled": 0.6, "lesion": 0.24, "tissue": 0.05, "scene": 0.11}
"""Share of windows around a labelled object, a lesion drawn into an image, a connected piece of even intensity of an
image, and a piece of a wholly invented one."""


class EditorWindows:
    """Draws training windows without end.

    Args:
        sources: cases by source, as `editor_cases` gives them.
        weights: how often each source is drawn; by default evenly.
        size: window voxels per axis.
        on_slices: across thick slices windows lie on them, as in `WindowScales`.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[EditorCase]],
        *,
        weights: Sequence[float] | None = None,
        size: int = 40,
        on_slices: bool = False,
    ) -> None:
        self.sources, self.size, self.on_slices = sources, size, on_slices
        share = np.asarray(weights if weights is not None else [1.0] * len(sources), dtype=float)
        self.share = share / share.sum()

    def draw(self, random: np.random.Generator, *, sized: bool = True) -> Sample:
        """One window with an object of at least a dozen voxels in it.

        Args:
            sized: the object fills about half of the window, as where a user has told its size; else any part of it,
                so that the window's scale gives nothing away.
        """
        while True:
            kind = random.choice(list(KINDS), p=list(KINDS.values()))
            source = self.sources[int(random.choice(len(self.sources), p=self.share))]
            case = source[int(random.integers(len(source)))]
            if kind == "labelled":
                sample = self._labelled(case, random, sized)
            elif kind == "scene":
                sample = scene(self.size, random)
            else:
                sample = self._background(case, kind, random)
            if sample is not None and SMALLEST <= sample.target.sum() < 0.85 * sample.target.size:
                sample.image = varied_contrast(sample.image, random)
                return _turned(sample, random)

    def _labelled(self, case: EditorCase, random: np.random.Generator, sized: bool) -> Sample | None:
        if not case.objects:
            return None
        thing = case.objects[int(random.integers(len(case.objects)))]
        extent = max((s.stop - s.start) * mm for s, mm in zip(thing.box, case.spacing, strict=True))
        # half of the users aim for the middle
        place = 0 if random.random() < 0.5 else int(random.integers(len(thing.inside)))
        clicked = thing.inside[place].astype(float)
        if sized:
            # a correction is looked at again at a finer scale
            fill = random.uniform(0.4, 0.8) if random.random() < 0.8 else random.uniform(0.8, 1.6)
        else:
            fill = float(np.exp(random.uniform(np.log(0.12), np.log(1.4))))
        millimetres = extent / (fill * self.size)
        steps = millimetres / np.array(case.spacing)
        if random.random() < 0.5 or fill > 0.9:
            centre = clicked + random.uniform(-2, 2, 3) * steps
        else:
            middle = np.array([(s.start + s.stop - 1) / 2 for s in thing.box])
            centre = middle + random.uniform(-0.5, 0.5, 3) * np.clip(1 - fill, 0.1, 0.6) * self.size * steps
        mask = np.zeros(case.image.shape, dtype=bool)
        mask[thing.box] = thing.mask
        size = self._wide(random)
        window = ImageWindow.around(centre, millimetres, case.spacing, size, on_slices=self.on_slices)
        return self._cut(case, mask, window, clicked, random)

    def _wide(self, random: np.random.Generator) -> tuple[int, int, int]:
        """The window, or a larger one out of which a turned and bent one is cut."""
        size = self.size if random.random() < 0.55 else round(self.size * 1.35)
        return (size, size, size)

    def _cut(
        self,
        case: EditorCase,
        mask: NDArray[np.bool_],
        window: ImageWindow,
        clicked: NDArray[np.float64],
        random: np.random.Generator,
    ) -> Sample:
        image, target = window.read(case.image), window.read(mask, outside=0.0)
        inside = window.within(case.image.shape)
        click: NDArray[np.float64] | None = window.to_window(clicked)[0]
        lengths = [step * mm for step, mm in zip(window.step, case.spacing, strict=True)]
        if window.size[0] != self.size:
            image, target, known = bent(np.stack([image, target, inside.astype(np.float32)]), self.size, random)
            click, inside, lengths = None, known > 0.5, [1.0, 1.0, 1.0]
        sample = Sample(image, (target > 0.5) & inside, click, inside, (lengths[0], lengths[1], lengths[2]))
        place = tuple(click.round().astype(int)) if click is not None else ()
        if click is None or min(place) < 0 or max(place) >= self.size or not sample.target[place]:
            sample.click = None
        return sample

    def _background(self, case: EditorCase, kind: str, random: np.random.Generator) -> Sample | None:
        """A window anywhere (near an object where there is one), with a drawn lesion or a piece of its own tissue."""
        shape = np.array(case.image.shape)
        centre = random.uniform(0.2, 0.8, 3) * shape
        field = min(float((shape * case.spacing).max()), float(np.exp(random.uniform(np.log(40), np.log(180)))))
        size = (self.size,) * 3
        window = ImageWindow.around(centre, field / self.size, case.spacing, size, on_slices=self.on_slices)
        image = window.read(case.image)
        if np.ptp(image) < 1e-3:
            return None
        return drawn_lesion(image, random) if kind == "lesion" else even_tissue(image, random)


def bent(images: NDArray[np.float32], size: int, random: np.random.Generator) -> NDArray[np.float32]:
    """The middle `size` voxels of larger windows, turned by up to 45° about each axis, sheared and bent a little.

    Images (N, S, A, R), all turned and bent alike.
    """
    wide = images.shape[1]
    turn = np.eye(3) + random.uniform(-0.1, 0.1, (3, 3))
    for axis in range(3):
        angle = random.uniform(-np.pi / 4, np.pi / 4)
        one, two = [a for a in range(3) if a != axis]
        plane = np.eye(3)
        plane[one, one] = plane[two, two] = np.cos(angle)
        plane[one, two], plane[two, one] = -np.sin(angle), np.sin(angle)
        turn = turn @ plane
    matrix = torch.from_numpy(np.concatenate([turn * (size / wide), np.zeros((3, 1))], 1)[None].astype(np.float32))
    grid = F.affine_grid(matrix, [1, 1, size, size, size], align_corners=False)
    knots = torch.from_numpy(random.normal(0, 0.05, (1, 3, 5, 5, 5)).astype(np.float32))
    grid = grid + F.interpolate(knots, size=(size,) * 3, mode="trilinear").permute(0, 2, 3, 4, 1)
    turned = F.grid_sample(
        torch.from_numpy(images[None]), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    moved: NDArray[np.float32] = turned[0].numpy()
    return moved


def varied_contrast(image: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Another intensity scale: inverted, bent by a random curve, shaded, blurred, coarser along one axis, noisy.

    Images (S, A, R) in and out.
    """
    low, high = np.percentile(image[::2, ::2, ::2], [0.5, 99.5])
    span = max(float(high - low), 1e-6)
    image = ((image - low) / span).clip(-0.5, 2.0).astype(np.float32)
    if random.random() < 0.25:
        image = 1 - image
    if random.random() < 0.4:
        knots = random.uniform(0, 1, 6)
        curve = np.sort(knots) if random.random() < 0.7 else knots
        x = np.linspace(-0.05, 1.05, 6)
        image = np.interp(image, x, 0.5 * x + 0.5 * curve if random.random() < 0.5 else curve).astype(np.float32)
    if random.random() < 0.25:
        image = image * (1 + random.uniform(0.1, 0.4) * noise(image.shape, image.shape[0] * 0.35, random))
    if random.random() < 0.2:
        image = gaussian_filter(image, random.uniform(0.4, 1.1))
    if random.random() < 0.25:
        image = _coarse(image, int(random.integers(3)), int(random.integers(2, 5)))
    if random.random() < 0.5:
        image = image + random.normal(0, random.uniform(0.01, 0.08), image.shape).astype(np.float32)
    return np.ascontiguousarray(image, dtype=np.float32)


def _coarse(image: NDArray[np.float32], axis: int, factor: int) -> NDArray[np.float32]:
    """Slices `factor` times as thick, repeated to the same size."""
    moved = np.moveaxis(image, axis, 0)
    starts = np.arange(0, moved.shape[0], factor)
    sums = np.add.reduceat(moved, starts, axis=0)
    counts = np.diff(np.append(starts, moved.shape[0]))
    thick = sums / counts[:, None, None]
    return np.moveaxis(np.repeat(thick, counts, axis=0), 0, axis)


def _turned(sample: Sample, random: np.random.Generator) -> Sample:
    """One of the 48 orientations of a cube."""
    axes = random.permutation(3)
    flips = [int(a) for a in np.flatnonzero(random.random(3) < 0.5)]
    click = sample.click
    if click is not None:
        click = click[axes]
        click[flips] = sample.image.shape[0] - 1 - click[flips]
    image = np.ascontiguousarray(np.flip(sample.image.transpose(axes), flips))
    target = np.ascontiguousarray(np.flip(sample.target.transpose(axes), flips))
    known = None if sample.known is None else np.ascontiguousarray(np.flip(sample.known.transpose(axes), flips))
    lengths = [sample.spacing[axis] for axis in axes]
    return Sample(image, target, click, known, (lengths[0], lengths[1], lengths[2]))
