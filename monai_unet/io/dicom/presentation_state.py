"""Outlines and sizes over the source's own images: a Grayscale Softcopy Presentation State (PS3.3 A.33.1)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import provenance
from monai_unet.io.dicom.source import SourceImages, SourcePlane, SourceSeries
from monai_unet.io.results import RESEARCH_USE, AlgorithmIdentity


@dataclass(frozen=True, eq=False)
class Outline:
    """A finding in one slice.

    Attributes:
        lines: each (n, 2), closed, (column, row) in pixels; the middle of the first pixel is (0, 0).
        text: beside it.
    """

    lines: Sequence[NDArray[np.float64]]
    text: str


def write_presentation_state(
    outlines: Mapping[int, Sequence[Outline]],
    path: str | Path,
    *,
    source: SourceSeries,
    algorithm: AlgorithmIdentity,
    window: tuple[float, float],
) -> Path:
    """Write how the images with findings are to be shown: window, outlines, texts.

    Args:
        outlines: slice (index along the third axis of the source's grid) → findings in it.
        window: black and white level in the values that readers of the source see.

    Raises:
        InputError: nothing to outline, or images whose values are scaled each in its own way, which one state cannot
            hold.
    """
    images = SourceImages(source)
    planes = {k: images.planes[k] for k, found in outlines.items() if found}
    if not planes:
        raise InputError("There is nothing to outline.")
    referenced = {str(plane.header.SOPInstanceUID): plane.header for plane in planes.values()}
    slope, intercept = _scaling(images)
    layer = hd.pr.GraphicLayer(
        "FINDINGS", order=1, description=RESEARCH_USE, display_color=CIELabColor.from_rgb(255, 220, 0)
    )
    inverse = str(images.first.get("PhotometricInterpretation", "")) == "MONOCHROME1"
    low, high = window
    with warnings.catch_warnings():
        # highdicom's remarks on values of the source quote them, the patient's name among them
        warnings.simplefilter("ignore", UserWarning)
        result = hd.pr.GrayscaleSoftcopyPresentationState(
            referenced_images=list(referenced.values()),
            content_label="FINDINGS",
            content_description=RESEARCH_USE,
            graphic_layers=[layer],
            graphic_annotations=[_annotation(plane, outlines[k], layer) for k, plane in planes.items()],
            modality_lut_transformation=hd.ModalityLUTTransformation(
                rescale_slope=slope,
                rescale_intercept=intercept,
                rescale_type="HU" if images.first.get("Modality") == "CT" else "US",
            ),
            voi_lut_transformations=[
                hd.pr.SoftcopyVOILUTTransformation(window_center=(low + high) / 2, window_width=max(high - low, 1e-3))
            ],
            presentation_lut_transformation=hd.PresentationLUTTransformation(
                presentation_lut_shape="INVERSE" if inverse else "IDENTITY"
            ),
            **provenance.header(algorithm, "PR"),
        )
    provenance.mark_deidentified(result, images.first)
    result.Laterality = images.first.get("Laterality") or ""
    with atomic_path(path) as temporary:
        result.save_as(temporary)
    return Path(path)


def _annotation(plane: SourcePlane, outlines: Sequence[Outline], layer: hd.pr.GraphicLayer) -> hd.pr.GraphicAnnotation:
    rows, columns = int(plane.header.Rows), int(plane.header.Columns)
    limits = np.array([columns, rows], dtype=float)
    graphics, texts = [], []
    for outline in outlines:
        # the corner of the first pixel is 0 in a presentation state
        lines = [np.clip(line + 0.5, 0.0, limits) for line in outline.lines]
        graphics += [hd.pr.GraphicObject("POLYLINE", line, units="PIXEL") for line in lines]
        points = np.concatenate(lines)
        right, down = (float(number) for number in points[int(points[:, 0].argmax())])
        texts.append(
            hd.pr.TextObject(
                outline.text,
                units="PIXEL",
                anchor_point=(right, down),
                anchor_point_visible=False,
            )
        )
    return hd.pr.GraphicAnnotation(
        referenced_images=[plane.header],
        graphic_layer=layer,
        referenced_frame_number=plane.frame,
        graphic_objects=graphics,
        text_objects=texts,
    )


def _scaling(images: SourceImages) -> tuple[float, float]:
    found = set()
    for header in images.headers:
        groups = header.get("SharedFunctionalGroupsSequence")
        own = groups[0].get("PixelValueTransformationSequence") if groups else None
        place = own[0] if own else header
        found.add((float(place.get("RescaleSlope") or 1.0), float(place.get("RescaleIntercept") or 0.0)))
        for frame in header.get("PerFrameFunctionalGroupsSequence") or []:
            for one in frame.get("PixelValueTransformationSequence") or []:
                found.add((float(one.RescaleSlope), float(one.RescaleIntercept)))
    if len(found) > 1:
        raise InputError("The images are scaled each in its own way, which one presentation state cannot hold.")
    return found.pop()
