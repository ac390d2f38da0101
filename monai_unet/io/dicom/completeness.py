"""Signs that a series was copied in part: what its headers say that there is more of than was found.

A stack without its last slices is as regular as a whole one, so geometry cannot tell. All of this is noted, never
refused: scanners count in different ways.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monai_unet.io.dicom.frames import Frame, number
from monai_unet.io.dicom.geometry import TOLERATED, Stack


def notes_of_missing(ordered: Sequence[Frame], stacked: Stack) -> list[str]:
    """Notes on images that the only volume of a series seems to lack.

    Args:
        ordered: its images, along the normal.
        stacked: their places.
    """
    if len({frame.header.path for frame in ordered}) < len(ordered):
        # the number of frames of a file is compared with what the file holds
        return []
    return [*_stated(ordered), *_numbered(ordered), *_every_second(ordered, stacked)]


def _stated(ordered: Sequence[Frame]) -> list[str]:
    """Numbers of images, slices or time points in the headers that are larger than what is there."""
    found = []
    for keyword, what in (
        ("NumberOfSlices", "slices of the volume"),
        ("ImagesInAcquisition", "images of the acquisition"),
        ("NumberOfSeriesRelatedInstances", "images of the series"),
    ):
        stated = {number(frame.header.dataset.get(keyword), 0.0) for frame in ordered}
        most = max(stated)
        acquisitions = {str(frame.header.dataset.get("AcquisitionNumber")) for frame in ordered}
        if keyword == "ImagesInAcquisition" and len(acquisitions) > 1:
            continue
        if len(stated) == 1 and most > len(ordered):
            found.append(f"images may be missing: the headers speak of {most:g} {what}, {len(ordered)} are here")
    times = max(number(frame.header.dataset.get("NumberOfTemporalPositions"), 0.0) for frame in ordered)
    if times > 1:
        found.append(f"images may be missing: the headers speak of {times:g} time points, one is here")
    return found[:1]


def _numbered(ordered: Sequence[Frame]) -> list[str]:
    """Instance numbers that begin behind 1, by no more than the images that are there."""
    numbers = sorted(number(frame.header.dataset.get("InstanceNumber"), 0.0) for frame in ordered)
    consecutive = len(ordered) > 2 and set(np.diff(numbers).tolist()) == {1.0}
    if not consecutive or not 1 < numbers[0] <= len(ordered):
        return []
    before = "image 1" if numbers[0] == 2 else f"images 1 to {numbers[0] - 1:g}"
    return [f"images may be missing: instance numbers run from {numbers[0]:g} to {numbers[-1]:g}, without {before}"]


def _every_second(ordered: Sequence[Frame], stacked: Stack) -> list[str]:
    """Instance numbers in steps along the stack, as where every second slice of a series is missing."""
    between = number(ordered[0].header.dataset.get("SpacingBetweenSlices"), 0.0)
    numbers = [number(frame.header.dataset.get("InstanceNumber"), 0.0) for frame in ordered]
    steps = {abs(step) for step in np.diff(numbers).tolist()}
    if len(ordered) < 3 or not stacked.regular:
        return []
    step = steps.pop() if len(steps) == 1 else 0.0
    gap = float(stacked.gaps.mean())
    if step > 1 and between > 0 and abs(gap / between - step) > TOLERATED:
        return []
    if step > 1:
        return [f"images may be missing: instance numbers run in steps of {step:g}, slices lie {gap:.2f} mm apart"]
    return []
