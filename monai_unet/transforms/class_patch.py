"""A patch around a voxel of a class drawn at random: turned, scaled, sheared and mirrored in one resampling."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform, Randomizable, Transform
from numpy.typing import NDArray
from torch.nn import functional as F

VOXELS = "class_voxels"
"""Key under which `ClassVoxelsd` keeps its places."""


class ClassVoxelsd(Transform):
    """Places of each class of a label (1, *spatial), found once per case: `class_voxels`, class → (n, 3) indices.

    Args:
        label_key: class indices; 0 is the background and is not kept.
        most: places kept per class, drawn evenly from all of them.
        out_key: where they go.
    """

    def __init__(self, *, label_key: Hashable = "label", most: int = 2000, out_key: Hashable = VOXELS) -> None:
        self.label_key, self.most, self.out_key = label_key, most, out_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the places of one case."""
        label = np.asarray(torch.as_tensor(data[self.label_key]))[0]
        flat = label.reshape(-1)
        found = np.flatnonzero(flat)
        values = flat[found]
        places: dict[int, NDArray[np.int64]] = {}
        for value in np.unique(values):
            chosen = found[values == value]
            if len(chosen) > self.most:
                chosen = chosen[np.linspace(0, len(chosen) - 1, self.most).astype(np.int64)]
            places[int(value)] = np.stack(np.unravel_index(chosen, label.shape), axis=1)
        return {**data, self.out_key: places}


class RandClassPatchd(Randomizable, MapTransform):
    """A patch of image (C, *spatial) and label (1, *spatial) around a class drawn at random.

    Every class that the case has is drawn equally often (`ClassVoxelsd` says where), the background `background` times
    as often as one of them. One affine resampling does all: turned about each axis in millimetres, so that voxels that
    are no cubes turn rightly; scaled, sheared, mirrored. Beyond the volume its border goes on; its label is background.

    Args:
        patch_size: voxels (S, A, R).
        spacing: mm (S, A, R) of the voxels.
        classes: class indices that may be drawn; None: all that the case has.
        background: how often anywhere in the volume, relative to one class.
        rotate: largest angle in radians about the axes S, A, R.
        scale: largest change of size, as the logarithm.
        shear: largest shear factor, between axes of like spacing.
        mirror: axes (0, 1, 2 of S, A, R) that are mirrored half of the time.
        mirrored_pairs: classes that change places when R is mirrored, for example [[3, 4]] for right and left.
        prob: how often a patch is turned, scaled and sheared at all.
    """

    def __init__(
        self,
        *,
        patch_size: Sequence[int],
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
        classes: Sequence[int] | None = None,
        background: float = 0.5,
        rotate: Sequence[float] = (0.3, 0.3, 0.3),
        scale: float = 0.2,
        shear: float = 0.05,
        mirror: Sequence[int] = (),
        mirrored_pairs: Sequence[Sequence[int]] = (),
        prob: float = 0.8,
        image_key: Hashable = "image",
        label_key: Hashable = "label",
        voxels_key: Hashable = VOXELS,
    ) -> None:
        MapTransform.__init__(self, [image_key, label_key])
        self.image_key, self.label_key, self.voxels_key = image_key, label_key, voxels_key
        self.patch_size = tuple(int(n) for n in patch_size)
        self.spacing = np.array([float(mm) for mm in spacing])
        self.classes = None if classes is None else {int(index) for index in classes}
        self.background, self.prob = float(background), float(prob)
        self.rotate, self.scale, self.shear = tuple(float(r) for r in rotate), float(scale), float(shear)
        self.mirror = tuple(int(axis) for axis in mirror)
        self.mirrored_pairs = [(int(a), int(b)) for a, b in mirrored_pairs]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw one patch; of the case only image and label remain."""
        image, label = torch.as_tensor(data[self.image_key]), torch.as_tensor(data[self.label_key])
        size = np.array(label.shape[1:])
        centre = self._centre(data[self.voxels_key], size)
        mirrored = [axis for axis in self.mirror if self.R.uniform() < 0.5]
        theta = _theta(self._matrix(mirrored), centre, np.array(self.patch_size), size)
        grid = F.affine_grid(theta, [1, 1, *self.patch_size], align_corners=False)
        patch = F.grid_sample(image[None].float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
        mask = F.grid_sample(label[None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False)
        mask = mask[0].to(label.dtype)
        if 2 in mirrored:
            swapped = mask.clone()
            for a, b in self.mirrored_pairs:
                swapped[mask == a], swapped[mask == b] = b, a
            mask = swapped
        return {self.image_key: patch[0], self.label_key: mask}

    def _centre(self, places: Mapping[int, NDArray[np.int64]], size: NDArray[np.int64]) -> NDArray[np.float64]:
        """Voxel in the middle of the patch: the place drawn need not be in its middle, and the patch stays inside."""
        patch = np.array(self.patch_size)
        drawn = [index for index in sorted(places) if self.classes is None or index in self.classes]
        room = np.maximum(size - patch, 0) / 2
        middle = (size - 1) / 2
        if drawn and self.R.uniform() * (self.background + len(drawn)) >= self.background:
            of_class = places[drawn[self.R.randint(len(drawn))]]
            wanted = of_class[self.R.randint(len(of_class))] + self.R.uniform(-0.3, 0.3, len(size)) * patch
            return np.clip(wanted, middle - room, middle + room)
        return middle + self.R.uniform(-1, 1, len(size)) * room

    def _matrix(self, mirrored: Sequence[int]) -> NDArray[np.float64]:
        """Steps in the volume, in voxels, for a step of one voxel along each axis of the patch."""
        matrix = np.eye(3)
        if self.R.uniform() < self.prob:
            turns = [self.R.uniform(-angle, angle) for angle in self.rotate]
            shear = self.R.uniform(-self.shear, self.shear, (3, 3)) * (1 - np.eye(3))
            near = self.spacing < 2 * self.spacing.min()
            shear *= np.outer(near, near)
            # one factor for all axes, and a little for each
            zoom = np.exp(self.R.uniform(-self.scale, self.scale) + self.R.uniform(-0.25, 0.25, 3) * self.scale)
            # an axis of few thick slices is not scaled: there would be nothing between them
            zoom[~near] = 1
            matrix = _rotation(turns) @ (np.eye(3) + shear) @ np.diag(zoom)
        flips = np.diag([-1.0 if axis in mirrored else 1.0 for axis in range(3)])
        return np.diag(1 / self.spacing) @ matrix @ np.diag(self.spacing) @ flips


def _rotation(angles: Sequence[float]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def _theta(
    matrix: NDArray[np.float64], centre: NDArray[np.float64], patch: NDArray[np.int64], size: NDArray[np.int64]
) -> torch.Tensor:
    """(1, 3, 4) of `affine_grid`, whose axes are reversed and whose units are half the size."""
    linear = matrix * patch[None, :] / size[:, None]
    offset = (2 * centre + 1) / size - 1
    theta = np.concatenate([linear[::-1, ::-1], offset[::-1, None]], axis=1)
    return torch.from_numpy(theta.astype(np.float32))[None]
