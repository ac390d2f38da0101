"""Pictures of docs/lesion_synthesis.md: synthetic lesions in real brains and in CT.

MONAI_UNET_DATA=… python benchmarks/lesion_gallery.py docs/images
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from monai.transforms import Compose, CropForegroundd, Spacingd

from monai_unet.io import LoadChannelsd, palette, read_volume
from monai_unet.measurement import draw_contour
from monai_unet.transforms import RandScanEffectsd, RandSynthesiseLesionsd, TissueMapsd

SEQUENCES = ("flair", "t1", "t1c", "t2")
COLORS = {1: palette.SKY_BLUE, 2: palette.GREEN, 3: palette.YELLOW}


def brains(data: Path, target: Path) -> None:
    """A row per kind of tumour: four sequences and the truth."""
    prepare = Compose(
        [
            LoadChannelsd(["image", "t1"]),
            CropForegroundd(["image", "t1"], source_key="t1", margin=8, allow_smaller=True),
            Spacingd(["image", "t1"], pixdim=(1.5, 1.5, 1.5), mode="bilinear"),
            TissueMapsd("t1"),
        ]
    )
    effects = RandScanEffectsd("image", thick=0.2, noise=0.03, bias=0.15, gamma=(0.9, 1.1))
    kinds = ("glioblastoma", "glioblastoma", "low_grade_glioma", "metastases")
    figure = Figure(figsize=(10, 9.2), facecolor="black")
    for row, (kind, patient) in enumerate(zip(kinds, ("07", "19", "26", "19"), strict=True)):
        folder = data / "MultipleSclerosis" / f"patient{patient}"
        base = prepare({"image": [str(folder / f"{s}.nii.gz") for s in SEQUENCES], "t1": [str(folder / "t1.nii.gz")]})
        paint = RandSynthesiseLesionsd("image", sequences=SEQUENCES, tissue_key="tissue", kind=kind)
        for transform in (paint, effects):
            transform.set_random_state(seed=20 + row)
        made = effects(paint(base))
        labels = np.asarray(made["label"][0])
        plane = int((labels > 0).sum((1, 2)).argmax())
        shown = [*(np.asarray(channel[plane]) for channel in made["image"]), np.asarray(made["image"][0, plane])]
        for column, image in enumerate(shown):
            axes = figure.add_axes((column / 5, 1 - (row + 1) / 4, 0.2, 0.25))
            _show(axes, image[:, ::-1], np.percentile(image[image > 0], 99.5))
            if column == 4:
                for value, color in COLORS.items():
                    draw_contour(axes, labels[plane][:, ::-1] == value, color)
    figure.savefig(target / "lesion_synthesis.png", dpi=62)


def computed_tomography(data: Path, target: Path) -> None:
    """Metastases and nodules in the largest organ of a CT (the liver): as it is, painted, and the truth."""
    image, organs = (read_volume(data / "CT" / name) for name in ("example_ct_sm.nii.gz", "example_seg.nii.gz"))
    values, counts = np.unique(np.asarray(organs)[np.asarray(organs) > 0], return_counts=True)
    organ = organs.clone()
    organ[:] = organs == values[counts.argmax()]
    figure = Figure(figsize=(10, 5.6), facecolor="black")
    for row, (kind, seed) in enumerate((("liver_metastases", 5), ("nodule", 8))):
        paint = RandSynthesiseLesionsd("image", sequences=["ct_liver"], tissue_key="organ", kind=kind)
        paint.set_random_state(seed=seed)
        made = paint({"image": image, "organ": organ})
        labels = np.asarray(made["label"][0])
        plane = int((labels > 0).sum((1, 2)).argmax())
        for column, volume in enumerate((image, made["image"], made["image"])):
            axes = figure.add_axes((column / 3, (1 - row) / 2, 1 / 3, 0.5))
            _show(axes, np.asarray(volume[0, plane])[:, ::-1], 200, low=-20)
            if column == 2:
                draw_contour(axes, labels[plane][:, ::-1] > 0, COLORS[3])
    figure.savefig(target / "lesion_synthesis_ct.png", dpi=62)


def _show(axes: Any, image: np.ndarray, high: float, *, low: float = 0) -> None:
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
    axes.set_axis_off()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    source = Path(os.environ["MONAI_UNET_DATA"])
    brains(source, folder)
    computed_tomography(source, folder)
