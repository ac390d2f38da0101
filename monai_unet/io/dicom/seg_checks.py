"""Whether a DICOM SEG holds what its header says: frames, segments, bits and planes (DICOM PS3.3 C.8.20, C.7.6.16).

What is checked raises `ValueError` with the reason; the reader adds the file's name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


def check_segments(dataset: Dataset, frames: Sequence[tuple[int, int]], kind: str) -> None:
    """Compare the described segments with those that frames belong to.

    Args:
        frames: segment number (0 in a label map) and slice of each frame.
        kind: Segmentation Type.

    Raises:
        ValueError: an unknown type, a number described twice or not at all, or two frames of a segment in one slice.
    """
    if kind not in KINDS:
        raise ValueError(f"its Segmentation Type is '{kind}'")
    stated = int(dataset.get("NumberOfFrames") or 1)
    if stated != len(frames):
        raise ValueError(f"it states {stated} frames and describes {len(frames)}")
    numbers = [int(item.SegmentNumber) for item in dataset.SegmentSequence]
    if len(set(numbers)) < len(numbers):
        raise ValueError("two of its segments have one number")
    if kind != "LABELMAP" and min(numbers, default=1) < 1:
        raise ValueError(f"it describes a segment {min(numbers)}; they are numbered from 1")
    unknown = sorted({segment for segment, _ in frames} - set(numbers)) if kind != "LABELMAP" else []
    if unknown:
        raise ValueError(f"it has frames of segment {unknown[0]}, which it does not describe")
    if len(set(frames)) < len(frames):
        raise ValueError("two of its frames show one segment at one place")


def check_pixels(dataset: Dataset, kind: str) -> None:
    """Compare the length of the pixel data with rows, columns, frames and bits.

    Raises:
        ValueError: they do not agree.
    """
    bits = int(dataset.BitsAllocated)
    if bits not in (1, 8, 16) or (bits == 1 and kind != "BINARY"):
        raise ValueError(f"its {kind} segments have {bits} bits per voxel")
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    samples = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames") or 1)
    needed, held = -(-samples * bits // 8), len(dataset.PixelData)
    if held not in (needed, needed + needed % 2):
        raise ValueError(f"it holds {held} bytes of masks where rows, columns, frames and bits take {needed}")


def check_planes(dataset: Dataset, orientation: Dataset, measures: Dataset) -> None:
    """Compare direction and pixel spacing of every frame with those that its grid is made of.

    Raises:
        ValueError: a frame has others.
    """
    direction = np.array(orientation.ImageOrientationPatient, dtype=float)
    spacing = np.array(measures.PixelSpacing, dtype=float)
    if not np.isfinite([*direction, *spacing]).all() or spacing.min() <= 0:
        raise ValueError("its frames have no valid direction or pixel spacing")
    for own in dataset.PerFrameFunctionalGroupsSequence:
        for item in own.get("PlaneOrientationSequence") or []:
            if np.abs(np.array(item.ImageOrientationPatient, dtype=float) - direction).max() > 1e-3:
                raise ValueError("its frames have different directions")
        for item in own.get("PixelMeasuresSequence") or []:
            if np.abs(np.array(item.PixelSpacing, dtype=float) / spacing - 1).max() > 1e-3:
                raise ValueError("its frames have different pixel spacings")
