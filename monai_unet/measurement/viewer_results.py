"""All DICOM results of one mask in a folder: SEG and SR, and beside them what viewers without those can show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monai.data import MetaTensor

from monai_unet.errors import InputError
from monai_unet.io import AlgorithmIdentity, MaskFile, read_series, together
from monai_unet.io.dicom import (
    DicomSeries,
    SourceSeries,
    write_encapsulated_pdf,
    write_key_objects,
    write_presentation_state,
    write_secondary_captures,
    write_seg,
    write_sr,
)
from monai_unet.measurement.lesion_report import measure_parts
from monai_unet.measurement.slides import SliceView, chosen_slices, draw_slides
from monai_unet.measurement.summary_pdf import summary_pdf

KINDS = ("seg", "sr", "sc", "ko", "pdf", "pr")
"""SEG, report, secondary captures, key objects, encapsulated PDF, presentation state."""


@dataclass(frozen=True)
class ViewerResults:
    """What was written.

    Attributes:
        files: by kind; empty where there was nothing to write (no lesion: no report and no selection).
        findings: number of connected parts.
        notes: what was left out, and why.
    """

    files: dict[str, tuple[Path, ...]]
    findings: int
    notes: tuple[str, ...] = ()


def write_viewer_results(
    mask: MaskFile,
    folder: Path,
    *,
    images: Path,
    series: DicomSeries,
    target: SourceSeries,
    algorithm: AlgorithmIdentity,
    image: MetaTensor | None = None,
) -> ViewerResults:
    """Write every kind of result of a mask into a folder, all of them or, after an error, none.

    `seg.dcm` holds each connected part of each structure as a segment, `sr.dcm` its measurements; `sc_0001.dcm`, … are
    the slices with findings as pictures, `key_objects.dcm` names these images, `summary.dcm` is the summary as a PDF,
    `presentation.dcm` outlines over the images themselves. An empty mask gives an empty SEG, one picture and the PDF.

    Args:
        mask: one label map.
        images: folder, DICOMDIR or zip that holds the series.
        series: the images it was drawn on.
        target: the same, or a de-identified one, as all files refer to it.
        image: (1, S, A, R) its voxels, where they are at hand.

    Raises:
        InputError: structures overlap, or the mask does not lie on the series.
    """
    file = str(mask.masks.meta["filename_or_obj"])
    if len(mask.masks) > 1:
        raise InputError(f"{file} has structures that overlap; write them one at a time.")
    voxels = read_series(images, series=series.id) if image is None else image
    parts = measure_parts(mask, voxels, series)
    inverse = str(target.headers()[0].get("PhotometricInterpretation", "")) == "MONOCHROME1"
    view = SliceView.of(parts, voxels.numpy()[0], series, inverse=inverse)
    files: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    notes: list[str] = []
    with together() as batch:
        labels, segments = (parts.labels, parts.segments) if parts.lesions else (mask.masks, mask.segments)
        seg = write_seg(labels, folder / "seg.dcm", source=target, segments=segments, algorithm=algorithm)
        files["seg"].append(seg)
        if parts.lesions:
            files["sr"].append(
                write_sr(
                    parts.lesions,
                    folder / "sr.dcm",
                    source=target,
                    segmentation=batch.written(seg),
                    algorithm=algorithm,
                )
            )
        slides = draw_slides(view, algorithm, chosen_slices(view))
        files["sc"] += write_secondary_captures(slides, folder, source=target, algorithm=algorithm)
        files["pdf"].append(
            write_encapsulated_pdf(
                summary_pdf(view, algorithm),
                folder / "summary.dcm",
                source=target,
                algorithm=algorithm,
                title="Segmentation summary",
            )
        )
        if parts.lesions:
            notes += _selection(view, folder, files, target, algorithm)
    return ViewerResults({kind: tuple(paths) for kind, paths in files.items()}, len(parts.lesions), tuple(notes))


def _selection(
    view: SliceView, folder: Path, files: dict[str, list[Path]], target: SourceSeries, algorithm: AlgorithmIdentity
) -> list[str]:
    """Write key objects and presentation state; gives a note where one cannot be."""
    found = len(view.parts.lesions)
    files["ko"].append(
        write_key_objects(
            view.fullest(),
            folder / "key_objects.dcm",
            source=target,
            algorithm=algorithm,
            description=f"{found} finding(s), each in its fullest slice",
        )
    )
    try:
        files["pr"].append(
            write_presentation_state(
                {k: view.outlines(k) for k in view.slices()},
                folder / "presentation.dcm",
                source=target,
                algorithm=algorithm,
                window=view.window,
            )
        )
    except InputError as error:
        return [f"no presentation state was written: {error}"]
    return []
