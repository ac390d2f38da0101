"""A dataset of synthetic cases on disk, so that training, validation and scoring read it as they read any other."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from monai_unet.geometry import Grid, from_working_frame, grid_of
from monai_unet.io import atomic_path, write_text
from monai_unet.mappings import Json
from monai_unet.training.reproducible import derived_seed

_STORED = 4000
"""Intensity that a channel's largest value becomes in the file."""


class SyntheticCases:
    """Draw labelled cases from a few bases and write them with a `dataset.json` (training and validation).

    Each case is seeded by (seed, list, number), so that it does not depend on those before it.

    Args:
        bases: prepared brains; taken in turn.
        draw: random transforms that make a case with `image_key` and `label_key` from a base.
        output_dir: gets `<list>/<case>_<channel>.nii.gz`, `_label.nii.gz` and `dataset.json`.
        channels: names of the image's channels.
        counts: cases per list, for example {"training": 240, "validation": 12}.
        seed: of the run.
        workers: processes that draw cases side by side (0: this one alone); the cases are the same.
        provenance: written into `dataset.json`: what it was made from, licences.
    """

    def __init__(
        self,
        bases: Sequence[Mapping[str, object]],
        draw: Compose,
        output_dir: str | Path,
        *,
        channels: Sequence[str],
        counts: Mapping[str, int],
        seed: int = 0,
        workers: int = 0,
        image_key: str = "image",
        label_key: str = "label",
        provenance: Mapping[str, object] | None = None,
    ) -> None:
        self.bases, self.draw, self.output_dir = bases, draw, Path(output_dir)
        self.channels, self.counts, self.seed = tuple(channels), dict(counts), seed
        self.workers = workers
        self.image_key, self.label_key, self.provenance = image_key, label_key, dict(provenance or {})

    def run(self) -> None:
        """Write all cases; a case whose label is there already is kept as it is."""
        lists = {}
        for place, (name, count) in enumerate(self.counts.items()):
            lists[name] = self._entries([(name, number, place) for number in range(count)])
        content = {**self.provenance, "label_convention": "BraTS 2023", **lists}
        write_text(self.output_dir / "dataset.json", json.dumps(content, indent=1) + "\n")

    def _entries(self, wanted: list[tuple[str, int, int]]) -> list[dict[str, str]]:
        if not self.workers:
            return [self._entry(*which) for which in wanted]
        # spawned: a process that has threads (torch, OpenMP) is not safely forked; each gets the bases once
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self.workers, context, initializer=_start_worker, initargs=(self,)) as pool:
            return list(pool.map(_entry_of_worker, wanted))

    def case(self, number: int, place: int) -> Json:
        """Case `number` of the list at `place`."""
        self.draw.set_random_state(seed=derived_seed(self.seed, place, number))
        return dict(self.draw(dict(self.bases[number % len(self.bases)])))

    def _entry(self, name: str, number: int, place: int) -> dict[str, str]:
        stem = f"{name}/case_{number:04d}"
        entry = {channel: f"{stem}_{channel.lower()}.nii.gz" for channel in self.channels}
        entry["label"] = f"{stem}_label.nii.gz"
        entry["name"] = f"{name}_{number:04d}"
        if not (self.output_dir / entry["label"]).is_file():
            case = self.case(number, place)
            image = case[self.image_key]
            for index, channel in enumerate(self.channels):
                _write(image[index], image, self.output_dir / entry[channel], np.int16)
            _write(case[self.label_key][0], image, self.output_dir / entry["label"], np.uint8)
        return entry


_of_worker: SyntheticCases | None = None


def _start_worker(cases: SyntheticCases) -> None:
    global _of_worker
    torch.set_num_threads(1)
    _of_worker = cases


def _entry_of_worker(which: tuple[str, int, int]) -> dict[str, str]:
    assert _of_worker is not None
    return _of_worker._entry(*which)


def _write(array: torch.Tensor, image: MetaTensor, path: Path, dtype: type[np.number]) -> None:
    """An array (S, A, R) as NIfTI in RAS+ order."""
    values = np.asarray(array, dtype=np.float32)
    if dtype is np.int16:
        values = values * (_STORED / max(float(values.max()), 1e-6))
    working = grid_of(image)
    order = [2, 1, 0]
    affine = working.affine[:, [*order, 3]]
    shape = tuple(working.shape[axis] for axis in order)
    grid = Grid(shape, affine)  # type: ignore[arg-type]
    stored = from_working_frame(np.rint(values).astype(dtype), grid)
    with atomic_path(path) as temporary:
        nib.save(nib.Nifti1Image(np.ascontiguousarray(stored), affine), temporary)
