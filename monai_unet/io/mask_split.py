"""One file for each structure of a mask, for those that overlap."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from monai_unet.io.atomic import together
from monai_unet.io.formats import LabelEntry
from monai_unet.io.mask_file import MaskFile
from monai_unet.io.volume import write_label_map


def write_each_structure(mask: MaskFile, folder: Path) -> list[Path]:
    """Write `<number>_<name>.nii.gz` with 1 inside and 0 outside for each structure; gives their paths."""
    targets = files_of_structures(mask, folder)
    with together():
        for n, segment in enumerate(mask.segments):
            inside = mask.masks[n] if len(mask.masks) > 1 else mask.masks[0] == segment.number
            table = {1: LabelEntry(segment.name, segment.rgb)}
            write_label_map(np.asarray(inside, dtype=np.uint8), targets[n], like=mask.masks.meta, table=table)
    return targets


def files_of_structures(mask: MaskFile, folder: Path) -> list[Path]:
    """What `write_each_structure` will write."""
    names = [re.sub(r"\W+", "_", segment.name).strip("_") or "structure" for segment in mask.segments]
    return [folder / f"{s.number:02d}_{name}.nii.gz" for s, name in zip(mask.segments, names, strict=True)]
