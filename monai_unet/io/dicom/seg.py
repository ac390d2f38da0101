"""DICOM Segmentation objects written with highdicom (DICOM PS3.3 A.51, C.8.20); `read_seg` reads those of any maker.

Frames are matched to images by position, never by order.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.color import CIELabColor

from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom import provenance
from monai_unet.io.dicom.mask_frames import Masks, frames_on
from monai_unet.io.dicom.seg_read import read_seg
from monai_unet.io.dicom.source import SourceImages, SourceSeries
from monai_unet.io.results import RESEARCH_USE, AlgorithmIdentity, Segment

__all__ = ["read_seg", "write_seg"]


def write_seg(
    masks: Masks,
    path: str | Path,
    *,
    source: SourceSeries,
    segments: Sequence[Segment],
    algorithm: AlgorithmIdentity,
    fractional: bool = False,
) -> Path:
    """Write masks as a DICOM SEG on the images of `source`.

    Segments are numbered 1, 2, … in the order of their numbers, as the standard asks. A segment without a voxel is
    described all the same, so that "looked for, not found" survives; slices without a mask are left out.

    Args:
        masks: a label map (S, A, R) or (1, S, A, R) whose values are the numbers of `segments`, or one mask per
            segment (N, S, A, R), which may overlap. A MetaTensor lies where its affine says and is put on the source's
            voxels; an array lies on the source's grid in the working frame.
        fractional: store values from 0 to 1 as probabilities in steps of 1/255.

    Raises:
        InputError: the mask does not lie on the source's voxels, or a label has no name.
    """
    images = SourceImages(source)
    segments = sorted(segments, key=lambda segment: segment.number)
    pixels = frames_on(masks, images.grid, segments, fractional=fractional)
    kind = hd.seg.SegmentationTypeValues.FRACTIONAL if fractional else hd.seg.SegmentationTypeValues.BINARY
    with warnings.catch_warnings():
        # highdicom's remarks on values of the source quote them, the patient's name among them
        warnings.simplefilter("ignore", UserWarning)
        result = hd.seg.Segmentation(
            source_images=images.headers,
            pixel_array=pixels,
            segmentation_type=kind,
            segment_descriptions=[_description(n, s, algorithm) for n, s in enumerate(segments, start=1)],
            pixel_measures=_measures(images),
            plane_orientation=hd.PlaneOrientationSequence("PATIENT", images.orientation),
            plane_positions=[hd.PlanePositionSequence("PATIENT", plane.position.tolist()) for plane in images.planes],
            content_label="SEGMENTATION",
            content_description=RESEARCH_USE,
            **provenance.header(algorithm, "SEG"),
        )
    provenance.mark_deidentified(result, images.first)
    with atomic_path(path) as temporary:
        result.save_as(temporary)
    return Path(path)


def _description(number: int, segment: Segment, algorithm: AlgorithmIdentity) -> hd.seg.SegmentDescription:
    codes = segment.codes
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.name[:64],
        segmented_property_category=codes.category,
        segmented_property_type=codes.type,
        algorithm_type=segment.made_by or algorithm.made_by,
        algorithm_identification=provenance.identification(algorithm),
        tracking_uid=segment.tracking_uid or provenance.new_uid(),
        tracking_id=segment.tracking_id or f"{segment.name} {number}"[:64],
        display_color=CIELabColor.from_rgb(*segment.rgb),
    )
    if codes.laterality is not None:
        modifier = hd.sr.CodedConcept.from_code(codes.laterality)
        description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return description


def _measures(images: SourceImages) -> hd.PixelMeasuresSequence:
    column_spacing, row_spacing, _ = images.grid.spacing
    normal = np.cross(images.grid.affine[:3, 0], images.grid.affine[:3, 1])
    between = float(abs(images.grid.affine[:3, 2] @ normal / np.linalg.norm(normal)))
    thickness = images.first.get("SliceThickness")
    return hd.PixelMeasuresSequence(
        pixel_spacing=[row_spacing, column_spacing],
        slice_thickness=float(thickness or between),
        spacing_between_slices=between,
    )
