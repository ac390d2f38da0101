"""The training data of `brain_tumor_t1c`: four public sets as one list of stacks of thick slices, with their targets.

Rims become solid tumours (`fill_rims`), stacks that were joined in the source are cut, tumour-free heads at 1 mm become
thick slices in three planes as a scanner averages them. All else is left to the bundle's own preprocessing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.io import atomic_path, write_text
from monai_unet.io.datasets import dataset_cases
from monai_unet.transforms import fill_rims

Array = NDArray[Any]


class TumourHeads:
    """Write `dataset.json` (training, validation, test) and what it names into a folder.

    Args:
        stacks: folder of stacks with solid tumours (Cheng), in Decathlon layout.
        rims: folder of heads with enhancing rims (Progression), in Decathlon layout.
        brains: contrast-enhanced T1 of brains without a tumour at 1 mm.
        heads: T1 of heads without a tumour, in thin axial slices.
        output_dir: where it goes.
        cut: name of a stack → its slice after which another stack begins.
        thickness_mm, gap_mm: of the slices that are made of `brains`.
        times: how often an epoch visits a case of "stacks", "rims", "brains" and "heads".
    """

    def __init__(
        self,
        *,
        stacks: str | Path,
        rims: str | Path,
        brains: Sequence[str | Path],
        heads: Sequence[str | Path],
        output_dir: str | Path,
        cut: Mapping[str, int],
        times: Mapping[str, int],
        thickness_mm: float = 6.0,
        gap_mm: float = 1.0,
    ) -> None:
        self.stacks, self.rims = Path(stacks), Path(rims)
        self.brains, self.heads = [Path(path) for path in brains], [Path(path) for path in heads]
        self.output_dir, self.cut, self.times = Path(output_dir).resolve(), dict(cut), dict(times)
        self.thickness_mm, self.gap_mm = thickness_mm, gap_mm

    def run(self) -> None:
        """Write everything.

        Raises:
            InputError: a set is missing.
        """
        missing = [str(path) for path in (*self.brains, *self.heads) if not path.is_file()]
        if missing:
            raise InputError(f"{missing[0]} does not exist; check the folder of the data sets.")
        lists: dict[str, list[dict[str, Any]]] = {}
        for key in ("training", "validation", "test"):
            lists[key] = [*self._solid(key), *self._filled(key)]
        lists["training"] += [*self._thick(), *self._empty()]
        text = json.dumps({"name": "Tumours in whole heads", "labels": {"1": "brain tumour"}, **lists}, indent=1)
        write_text(self.output_dir / "dataset.json", text + "\n")

    def _entry(self, image: Path, label: Path, source: str) -> dict[str, Any]:
        return {"image": str(image), "label": str(label), "source": source, "times": self.times.get(source, 1)}

    def _solid(self, key: str) -> list[dict[str, Any]]:
        entries = []
        for case in dataset_cases(self.stacks, key):
            image, label = Path(case["image"]).resolve(), Path(case["label"]).resolve()
            name = image.name.removesuffix(".nii.gz")
            if key != "training" or name not in self.cut:
                entries.append(self._entry(image, label, "stacks"))
                continue
            after = self.cut[name] + 1
            for part, slices in (("a", slice(None, after)), ("b", slice(after, None))):
                files = [
                    self._cut(path, slices, f"{name}_{part}_{kind}")
                    for path, kind in ((image, "image"), (label, "label"))
                ]
                entries.append(self._entry(files[0], files[1], "stacks"))
        return entries

    def _cut(self, path: Path, slices: slice, name: str) -> Path:
        """Some slices of a stack, whose slices are the last axis of the file."""
        file: Any = nib.load(path)
        return _written(file.slicer[:, :, slices], self.output_dir / f"{name}.nii.gz")

    def _filled(self, key: str) -> list[dict[str, Any]]:
        entries = []
        for case in dataset_cases(self.rims, key):
            file: Any = nib.load(case["label"])
            # slices first, as fill_rims has it; the file has them last
            mask = np.asarray(file.dataobj).transpose(2, 1, 0) > 0
            spacing = [float(mm) for mm in file.header.get_zooms()[:3]][::-1]
            filled = fill_rims(mask, spacing=spacing).transpose(2, 1, 0).astype(np.uint8)
            name = Path(case["label"]).name.removesuffix(".nii.gz")
            label = _written(nib.Nifti1Image(filled, file.affine), self.output_dir / f"{name}_filled.nii.gz")
            entries.append(self._entry(Path(case["image"]).resolve(), label, "rims"))
        return entries

    def _thick(self) -> list[dict[str, Any]]:
        entries = []
        for path in self.brains:
            file: Any = nib.load(path)
            data = np.asarray(file.dataobj, dtype=np.float32)
            for axis in range(3):
                image = thick_stack(data, file.affine, axis, thickness_mm=self.thickness_mm, gap_mm=self.gap_mm)
                target = self.output_dir / f"{path.parent.name}_{path.name.removesuffix('.nii.gz')}_{axis}.nii.gz"
                entries.append(self._without(_written(image, target), "brains"))
        return entries

    def _empty(self) -> list[dict[str, Any]]:
        return [self._without(path.resolve(), "heads") for path in self.heads]

    def _without(self, image: Path, source: str) -> dict[str, Any]:
        file: Any = nib.load(image)
        nothing = nib.Nifti1Image(np.zeros(file.shape, dtype=np.uint8), file.affine)
        name = image.name.removesuffix(".nii.gz")
        return self._entry(image, _written(nothing, self.output_dir / f"{name}_empty.nii.gz"), source)


def thick_stack(data: Array, affine: Array, axis: int, *, thickness_mm: float, gap_mm: float) -> nib.Nifti1Image:
    """A stack of thick slices across one axis of a volume, each the mean over its thickness, without empty ones.

    Args:
        data: the volume, in the axis order of its file.
        affine: (4, 4), mm.
        axis: across the slices.
        thickness_mm, gap_mm: of the slices; rounded to whole voxels.
    """
    spacing = float(np.linalg.norm(affine[:3, axis]))
    thick, step = max(1, round(thickness_mm / spacing)), max(1, round((thickness_mm + gap_mm) / spacing))
    moved = np.moveaxis(data, axis, 0)
    starts = range(0, len(moved) - thick + 1, step)
    slices = np.stack([moved[start : start + thick].mean(axis=0) for start in starts])
    full = np.flatnonzero(slices.max(axis=(1, 2)) > 0.1 * np.percentile(slices, 99))
    slices = slices[full[0] : full[-1] + 1]
    turned = np.array(affine, dtype=float)
    turned[:3, axis] *= step
    first = full[0] * step + (thick - 1) / 2
    turned[:3, 3] = affine[:3, 3] + affine[:3, axis] * first
    return nib.Nifti1Image(np.rint(np.moveaxis(slices, 0, axis)).astype(np.int16), turned)


def _written(image: nib.Nifti1Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
    return path
