"""The README's picture: what `brain_tumor_t1c` finds in a real head, beside the manual mask.

Usage: python benchmarks/head_picture.py --data DIR [--output docs/images/brain_tumour.png]

DIR holds `dicom/brain_tumour_mr` and `BrainTumourProgression`: PGBM-002, second date, of Brain-Tumor-Progression
(Schmainda & Prah 2018, TCIA, CC BY 3.0), a test patient. The picture shows the enhancing rim as it was drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from monai_unet.geometry import grid_of
from monai_unet.io import palette, read_volume
from monai_unet.measurement import contour_figure
from monai_unet.segmentation import Segmenter

SERIES = "dicom/brain_tumour_mr/12-T1post-05670"
MASK = "BrainTumourProgression/PGBM-002_2_mask_on_dicom_grid.nii.gz"


def main() -> None:
    """Segment the head and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("docs/images/brain_tumour.png"))
    arguments = parser.parse_args()
    image = read_volume(arguments.data / SERIES)
    manual = read_volume(arguments.data / MASK).numpy()[0] > 0
    found = Segmenter.load("brain_tumor_t1c", device="cpu").segment(arguments.data / SERIES).labels.numpy()[0] > 0
    dice = 2 * (found & manual).sum() / (found.sum() + manual.sum())
    figure = contour_figure(
        image.numpy()[0],
        {1: found, 2: manual},
        spacing=grid_of(image).spacing,
        names={1: "found without a click", 2: "enhancing rim, manual mask"},
        colors={1: palette.ORANGE, 2: palette.SKY_BLUE},
        title=f"Glioblastoma after treatment, T1 with contrast agent (PGBM-002, TCIA, CC BY 3.0): Dice {dice:.2f}",
        margin_mm=60,
    )
    figure.savefig(arguments.output, dpi=90)
    print(f"{arguments.output}  Dice {dice:.3f}, found {np.count_nonzero(found) * grid_of(image).voxel_ml:.1f} ml")


if __name__ == "__main__":
    main()
