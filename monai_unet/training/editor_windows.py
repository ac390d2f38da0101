"""Training windows for the editor: an object of a labelled case, a drawn lesion, a piece of even tissue or of a scene.

Every window is a cube of voxels with one object in it, at a random scale relative to the object, in a random
orientation and contrast; nothing of the modality, the axes or the intensity scale can be learnt from it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_opening, distance_transform_edt, find_objects, gaussian_filter, label
from torch.nn import functional as F

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of
from monai_unet.interaction.answering import ImageWindow
from monai_unet.io import read_volume
from monai_unet.mappings import Json

logger = logging.getLogger(__name__)

KINDS = {"labelled": 0.6, "lesion": 0.24, "tissue": 0.05, "scene": 0.11}
"""Share of windows around a labelled object, a lesion drawn into an image, a connected piece of even intensity of an
image, and a piece of a wholly invented one."""

SMALLEST = 12
"""Voxels of a window that an object needs."""


@dataclass(frozen=True, eq=False)
class EditorObject:
    """One object of a case: its box, its voxels there, and where a user may click first, the deepest voxel in front."""

    box: tuple[slice, ...]
    mask: NDArray[np.bool_]
    inside: NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class EditorCase:
    """An image (S, A, R) in half precision, of order one, its spacing in mm, and its objects."""

    image: NDArray[np.float16]
    spacing: tuple[float, float, float]
    objects: list[EditorObject]


def editor_cases(sources: Sequence[Json], *, key: str = "training", seed: int = 0) -> list[list[EditorCase]]:
    """The cases of each source, kept in memory.

    Args:
        sources: mappings with `dataset` (a `dataset.json`); optionally `objects` (lists of label values, each one
            object; by default every value is one), `pieces` (each connected component is an object), `images` (the
            entries that are images; by default all but the label) and `first` (so many cases of the list).
        key: the list that is read.
        seed: of the first clicks that are kept with each object.

    Raises:
        InputError: a source without cases or with no object in any.
    """
    random = np.random.default_rng(seed)
    result = []
    for source in sources:
        cases = [case for entry in _entries(source, key) for case in _read(entry, source, random)]
        if not any(case.objects for case in cases):
            raise InputError(f"{source['dataset']} has no labelled object under '{key}'.")
        logger.info("%s: %d images, %d objects", source["dataset"], len(cases), sum(len(c.objects) for c in cases))
        result.append(cases)
    return result


def _entries(source: Json, key: str) -> Iterator[Json]:
    path = Path(source["dataset"])
    try:
        entries = json.loads(path.read_text(encoding="utf-8")).get(key)
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read as a list of cases ({error}); give a dataset.json.") from error
    if not entries:
        raise InputError(f"{path} has no cases under '{key}'.")
    for entry in entries[: source.get("first")]:
        names = source.get("images") or [name for name, value in entry.items() if _is_image(name, value)]
        yield {"label": path.parent / entry["label"], "images": [path.parent / entry[name] for name in names]}


def _is_image(name: str, value: object) -> bool:
    return name not in ("label", "brainmask") and isinstance(value, str) and ".nii" in value


def _read(entry: Json, source: Json, random: np.random.Generator) -> Iterator[EditorCase]:
    labels = np.asarray(read_volume(entry["label"])[0]).round().astype(np.int16)
    wanted = source.get("objects") or [[int(value)] for value in np.unique(labels) if value > 0]
    masks = [np.isin(labels, values) for values in wanted]
    objects = [found for mask in masks for found in _objects(mask, bool(source.get("pieces")), random)]
    for path in entry["images"]:
        volume = read_volume(path)
        image: NDArray[np.float32] = np.nan_to_num(np.asarray(volume[0], dtype=np.float32))
        if image.shape != labels.shape:
            raise InputError(
                f"{path} has {image.shape} voxels and its label {labels.shape}; they must lie on one grid."
            )
        scale = float(np.percentile(np.abs(image), 99.5)) or 1.0
        yield EditorCase((image / scale).astype(np.float16), grid_of(volume).spacing, objects)


def _objects(mask: NDArray[np.bool_], pieces: bool, random: np.random.Generator) -> Iterator[EditorObject]:
    parts = label(mask, structure=np.ones((3, 3, 3)))[0] if pieces else mask.astype(np.int32)
    for number, box in enumerate(find_objects(parts), start=1):
        if box is None:
            continue
        inside = parts[box] == number
        if inside.sum() < SMALLEST:
            continue
        depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1, 1:-1]
        deep = np.argwhere(depth >= depth.max() / 2)
        deepest = np.argwhere(depth == depth.max())[:1]
        chosen = np.concatenate([deepest, deep[random.integers(len(deep), size=63)]]) + [s.start for s in box]
        yield EditorObject(box, inside, chosen)


@dataclass(eq=False)
class Sample:
    """One window: image and object (both of the window's size), and where the first click may fall."""

    image: NDArray[np.float32]
    target: NDArray[np.bool_]
    click: NDArray[np.float64] | None = None


class EditorWindows:
    """Draws training windows without end.

    Args:
        sources: cases by source, as `editor_cases` gives them.
        weights: how often each source is drawn; by default evenly.
        size: window voxels per axis.
    """

    def __init__(
        self, sources: Sequence[Sequence[EditorCase]], *, weights: Sequence[float] | None = None, size: int = 40
    ) -> None:
        self.sources, self.size = sources, size
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
        return self._cut(
            case, mask, ImageWindow.around(centre, millimetres, case.spacing, self._wide(random)), clicked, random
        )

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
        click: NDArray[np.float64] | None = window.to_window(clicked)[0]
        if window.size[0] != self.size:
            image, target = bent(image, target, self.size, random)
            click = None
        sample = Sample(image, target > 0.5, click)
        place = tuple(click.round().astype(int)) if click is not None else ()
        if click is None or min(place) < 0 or max(place) >= self.size or not sample.target[place]:
            sample.click = None
        return sample

    def _background(self, case: EditorCase, kind: str, random: np.random.Generator) -> Sample | None:
        """A window anywhere (near an object where there is one), with a drawn lesion or a piece of its own tissue."""
        shape = np.array(case.image.shape)
        centre = random.uniform(0.2, 0.8, 3) * shape
        field = min(float((shape * case.spacing).max()), float(np.exp(random.uniform(np.log(40), np.log(180)))))
        window = ImageWindow.around(centre, field / self.size, case.spacing, (self.size,) * 3)
        image = window.read(case.image)
        if np.ptp(image) < 1e-3:
            return None
        return drawn_lesion(image, random) if kind == "lesion" else even_tissue(image, random)


def drawn_lesion(image: NDArray[np.float32], random: np.random.Generator, *, others: bool = True) -> Sample:
    """The image with a lesion painted in: a bumpy or fingered ellipsoid, brighter or darker, textured, sometimes with
    a rim, which is then the object or a part of it, sometimes (with `others`) beside another lesion.

    Both (S, A, R): standardised intensities, and the mask of the object.
    """
    if others and random.random() < 0.3:
        image = drawn_lesion(image, random, others=False).image
    size = image.shape[0]
    axes = [np.arange(n, dtype=np.float32) for n in image.shape]
    centre = random.uniform(0.25, 0.75, 3) * size
    radii = size * np.exp(random.uniform(np.log(0.06), np.log(0.35))) * random.uniform(0.6, 1.5, 3)
    parts = [((axis - c) / r) ** 2 for axis, c, r in zip(axes, centre, radii, strict=True)]
    fingered = random.random() < 0.3
    scale, height = (0.3, 0.7) if fingered else (random.uniform(0.06, 0.2) * size / radii.mean(), 0.4)
    bumps = noise(image.shape, max(1.5, scale * radii.mean()), random) * random.uniform(0.05, height)
    level = 1 - np.sqrt(parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :]) + bumps
    target = _largest_piece(level > 0)
    edge = random.uniform(0.05, 0.3)
    alpha = (level / edge + 0.5).clip(0, 1) if random.random() < 0.7 else target.astype(np.float32)
    local = image[target] if target.any() else image
    unit = max(float(np.percentile(image, 90) - np.percentile(image, 10)), 1e-3)
    contrast = random.choice([-1, 1]) * np.exp(random.uniform(np.log(0.15), np.log(1.2))) * unit
    paint = (
        float(np.median(local))
        + contrast
        + noise(image.shape, random.uniform(0.5, 4), random) * random.uniform(0, 0.25) * unit
    )
    if random.random() < 0.4:
        core = level + 0.3 * random.random() * bumps > random.uniform(0.15, 0.55)
        paint = np.where(
            gaussian_filter(core.astype(np.float32), 0.7) > 0.5, paint - contrast * random.uniform(0.5, 1.6), paint
        )
        if random.random() < 0.5:
            target = _largest_piece(target & ~core)
    keep = random.uniform(0, 0.6)
    mixed = (1 - keep) * paint + keep * (image + contrast)
    return Sample((image * (1 - alpha) + alpha * mixed).astype(np.float32), target)


def scene(size: int, random: np.random.Generator) -> Sample | None:
    """A wholly invented image of several even or textured tissues with blurred borders, one piece of which is the
    object: nothing of anatomy can be learnt from it, only what borders are (Billot et al. 2023, "SynthSeg")."""
    shape = (size, size, size)
    count = int(random.integers(2, 7))
    scale = size * random.uniform(0.12, 0.4)
    fields = [noise(shape, scale * random.uniform(0.6, 1.6), random) for _ in range(count)]
    tissue = np.argmax(fields, axis=0)
    levels = random.uniform(0, 1, count)
    texture = noise(shape, random.uniform(0.5, 5), random) * random.uniform(0, 0.12)
    image = levels[tissue].astype(np.float32) + texture * random.uniform(0, 1, count)[tissue].astype(np.float32)
    if random.random() < 0.7:
        image = gaussian_filter(image, random.uniform(0.4, 1.2))
    pieces = label(tissue == random.integers(count))[0]
    sizes = np.bincount(pieces.ravel())[1:]
    fitting = np.flatnonzero((sizes >= 40) & (sizes < 0.4 * tissue.size)) + 1
    if not len(fitting):
        return None
    return Sample(image.astype(np.float32), pieces == random.choice(fitting))


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, count = label(mask)
    return mask if count < 2 else pieces == np.bincount(pieces.ravel())[1:].argmax() + 1


def even_tissue(image: NDArray[np.float32], random: np.random.Generator) -> Sample | None:
    """A connected piece of the image whose smoothed intensity stays near that of a random voxel of it.

    Image and mask (S, A, R).
    """
    smooth = gaussian_filter(image, random.uniform(0.6, 1.8))
    seed = tuple(random.integers(image.shape[0] // 5, image.shape[0] - image.shape[0] // 5, size=3))
    unit = max(float(np.percentile(image, 90) - np.percentile(image, 10)), 1e-3)
    near = np.abs(smooth - smooth[seed]) < random.uniform(0.06, 0.25) * unit
    pieces = label(binary_opening(near, iterations=int(random.integers(1, 3))))[0]
    if not pieces[seed]:
        return None
    target = pieces == pieces[seed]
    return Sample(image, target) if 40 < target.sum() < 0.4 * target.size else None


def bent(
    image: NDArray[np.float32], target: NDArray[np.float32], size: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The middle `size` voxels of a larger window, turned by up to 45° about each axis, sheared and bent a little.

    Image and target (S, A, R).
    """
    wide = image.shape[0]
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
    both = torch.from_numpy(np.stack([image, target])[None])
    moved = F.grid_sample(both, grid, mode="bilinear", padding_mode="border", align_corners=False)[0].numpy()
    return moved[0], moved[1]


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


def noise(shape: Sequence[int], scale: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise of mean 0 and standard deviation 1, with structure of about `scale` voxels."""
    coarse = max(2, round(shape[0] / max(scale, 1)))
    field = torch.from_numpy(random.normal(size=(1, 1, coarse, coarse, coarse)).astype(np.float32))
    smooth = F.interpolate(field, size=tuple(shape), mode="trilinear", align_corners=True)[0, 0].numpy()
    return (smooth - smooth.mean()) / max(float(smooth.std()), 1e-6)


def _turned(sample: Sample, random: np.random.Generator) -> Sample:
    """One of the 48 orientations of a cube."""
    axes = random.permutation(3)
    flips = [int(a) for a in np.flatnonzero(random.random(3) < 0.5)]
    click = sample.click
    if click is not None:
        click = click[axes]
        click[flips] = sample.image.shape[0] - 1 - click[flips]
    image = np.ascontiguousarray(np.flip(sample.image.transpose(axes), flips))
    return Sample(image, np.ascontiguousarray(np.flip(sample.target.transpose(axes), flips)), click)
