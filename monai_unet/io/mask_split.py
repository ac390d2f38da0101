"""One file for each structure of a mask, for those that overlap."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from monai_unet.io.formats import LabelEntry
from monai_unet.io.mask_file import MaskFile
from monai_unet.io.volume import write_label_map


def write_each_structure(mask: MaskFile, folder: Path) -> list[Path]:
    """Write `<number>_<name>.nii.gz` with 1 inside and 0 outside for each structure; gives their paths."""
    targets = []
    for n, segment in enumerate(mask.segments):
        inside = mask.masks[n] if len(mask.masks) > 1 else mask.masks[0] == segment.number
        name = re.sub(r"\W+", "_", segment.name).strip("_") or "structure"
        target = folder / f"{segment.number:02d}_{name}.nii.gz"
        table = {1: LabelEntry(segment.name, segment.rgb)}
        write_label_map(np.asarray(inside, dtype=np.uint8), target, like=mask.masks.meta, table=table)
        targets.append(target)
    return targets
