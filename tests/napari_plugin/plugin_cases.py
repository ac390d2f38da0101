"""Volumes in awkward orientations and an answerer that is quick and predictable, for the tests of the plugin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, inv_ornt_aff

from monai_unet.geometry import Grid
from monai_unet.interaction.prompts import Answer, Prompt

ORIENTATIONS = {"flipped": "LPS", "permuted": "SRA", "both": "PIL"}
"""Name → direction of the file's axes: axes against, out of the order of, and both against the working frame's."""


def write_volume_file(
    path: Path, axcodes: str, *, shape: tuple[int, int, int] = (20, 26, 32), degrees: float = 12.0
) -> Path:
    """NIfTI, oblique by `degrees`, with voxels of 1.5, 2 and 2.5 mm and a different value in each voxel."""
    angle = np.deg2rad(degrees)
    about_z = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    axes = inv_ornt_aff(axcodes2ornt(tuple(axcodes)), (2, 2, 2))[:3, :3].round()
    affine = np.eye(4)
    affine[:3, :3] = about_z @ axes @ np.diag([1.5, 2.0, 2.5])
    affine[:3, 3] = [12.0, -7.0, 31.0]
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def value_at(path: Path, patient_mm: Any) -> float:
    """Value of the file's voxel at a patient position, by nibabel alone."""
    image = nibabel.load(path)
    index = np.linalg.inv(image.affine) @ [*np.asarray(patient_mm, dtype=float), 1.0]
    return float(np.asanyarray(image.dataobj)[tuple(np.rint(index[:3]).astype(int))])


class BallAnswerer:
    """Answers with balls of 8 mm: the newest prompt's first place gets one, or loses one."""

    name = "balls"
    radius_mm = 8.0

    def start(self, image: Any, grid: Grid) -> None:
        self.grid = grid

    def answer(self, prompts: Sequence[Prompt], current: Any) -> Answer:
        centre = np.rint(prompts[-1].voxels(self.grid)[0])
        places = np.ogrid[tuple(slice(0, n) for n in self.grid.shape)]
        squares = [((a - c) * mm) ** 2 for a, c, mm in zip(places, centre, self.grid.spacing, strict=True)]
        ball = sum(squares) <= self.radius_mm**2
        mask = current | ball if prompts[-1].positive else current & ~ball
        whole = tuple(slice(0, n) for n in self.grid.shape)
        return Answer(whole, mask, None, 1.0)  # type: ignore[arg-type]
