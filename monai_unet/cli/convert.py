"""`monai-unet convert`"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from monai_unet.errors import InputError

if TYPE_CHECKING:
    from monai.data import MetaTensor

    from monai_unet.io import AlgorithmIdentity, LesionMeasurements, MaskFile, Segment
    from monai_unet.io.dicom import Deidentifier, DicomSeries, SourceSeries

DICOM_KINDS = ("seg", "rtstruct", "sr", "dicom")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("input", type=Path, metavar="IN", help="DICOM series, volume, mask, DICOM SEG or RTSTRUCT")
    parser.add_argument(
        "output", type=Path, metavar="OUT", help=".nii.gz, .nii, .nrrd or .mha; .dcm with --to; a folder with --split"
    )
    parser.add_argument(
        "--to",
        choices=DICOM_KINDS,
        help="write a DICOM segmentation, an RT structure set, a report of every lesion's size with its segmentation "
        "beside it, or (with --deidentify) a copy of the series",
    )
    parser.add_argument("--source", type=Path, metavar="DICOM_DIR", help="the series the mask was drawn on")
    parser.add_argument("--series", metavar="UID", help="which series of IN or of --source (see: monai-unet info)")
    parser.add_argument(
        "--names", nargs="+", default=[], metavar="VALUE=NAME", help="what the labels are, or a file that says so"
    )
    parser.add_argument("--threshold", type=float, help="turns the fractions of a DICOM SEG into a mask")
    parser.add_argument("--split", action="store_true", help="one mask file per structure, for those that overlap")
    parser.add_argument("--deidentify", action="store_true", help="DICOM without the patient's identity (PS3.15)")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="secret that gives the same pseudonyms in every run; default: random"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there (never an input)")
    parser.add_argument("--resample", action="store_true", help="accept a series with missing or uneven slices")


def run(arguments: argparse.Namespace) -> int:
    """Convert one input; what it becomes follows from the suffix of OUT and --to."""
    if arguments.to == "dicom":
        _copy_series(arguments)
    elif arguments.to is not None:
        _to_dicom_result(arguments)
    elif arguments.output.suffix.lower() == ".dcm":
        raise InputError(f"{arguments.output}: say what to write, --to seg, --to rtstruct or --to sr.")
    elif arguments.deidentify:
        raise InputError("--deidentify is for DICOM outputs; volume files never hold the patient's identity.")
    elif _is_mask(arguments):
        _mask_to_volume(arguments)
    else:
        _image_to_volume(arguments)
    return 0


def _is_mask(arguments: argparse.Namespace) -> bool:
    """Whether the input is a DICOM result, has label names in it, or is called a mask by the options."""
    from monai_unet.io import read_label_table
    from monai_unet.io.dicom import is_dicom, kind_of

    if arguments.names or arguments.split:
        return True
    if not arguments.input.is_file():
        return False
    if kind_of(arguments.input) is not None:
        return True
    return not is_dicom(arguments.input) and bool(read_label_table(arguments.input))


def _image_to_volume(arguments: argparse.Namespace) -> None:
    from monai_unet.io import read_volume, write_volume

    uneven: Literal["resample", "refuse"] = "resample" if arguments.resample else "refuse"
    _claim(arguments, arguments.output)
    volume = read_volume(arguments.input, series=arguments.series, uneven=uneven)
    write_volume(_in_smallest_type(volume), arguments.output)
    print(arguments.output)


def _mask_to_volume(arguments: argparse.Namespace) -> None:
    from monai_unet.io import parse_names, read_mask_file, write_label_map

    if not arguments.split:
        _claim(arguments, arguments.output)
    source = _source(arguments.source, arguments.series) if arguments.source else None
    mask = read_mask_file(
        arguments.input, source=source, names=parse_names(arguments.names), threshold=arguments.threshold
    )
    if mask.fractional:
        raise InputError(f"{arguments.input} holds fractions; give --threshold 0.5 to make a mask of them.")
    if arguments.split:
        _split(mask, arguments)
    elif len(mask.masks) > 1:
        raise InputError(f"{arguments.input} has structures that overlap; write one file for each with --split.")
    else:
        write_label_map(mask.masks.numpy(), arguments.output, like=mask.masks.meta, table=mask.table())
        print(arguments.output)


def _in_smallest_type(volume: MetaTensor) -> MetaTensor:
    """Whole numbers as 16-bit integers where they fit: what scanners store, in half the space."""
    import numpy as np
    from monai.data import MetaTensor

    array = volume.numpy()
    limits = np.iinfo(np.int16)
    if array.min() < limits.min or array.max() > limits.max or not np.array_equal(array, np.rint(array)):
        return volume
    return MetaTensor(array.astype(np.int16), meta=dict(volume.meta))


def _split(mask: MaskFile, arguments: argparse.Namespace) -> None:
    import numpy as np

    from monai_unet.io import together, write_label_map
    from monai_unet.io.formats import LabelEntry

    names = [re.sub(r"\W+", "_", segment.name).strip("_") or "structure" for segment in mask.segments]
    targets = [
        arguments.output / f"{segment.number:02d}_{name}.nii.gz"
        for segment, name in zip(mask.segments, names, strict=True)
    ]
    _claim(arguments, *targets)
    with together():
        for n, segment in enumerate(mask.segments):
            inside = mask.masks[n] if len(mask.masks) > 1 else mask.masks[0] == segment.number
            table = {1: LabelEntry(segment.name, segment.rgb)}
            write_label_map(np.asarray(inside, dtype=np.uint8), targets[n], like=mask.masks.meta, table=table)
    print(*targets, sep="\n")


def _to_dicom_result(arguments: argparse.Namespace) -> None:
    from monai_unet.io import parse_names, read_mask_file
    from monai_unet.io.dicom import DeidentifiedSeries, write_rtstruct, write_seg

    if arguments.source is None:
        raise InputError(f"--to {arguments.to} needs the images the mask was drawn on; give --source DICOM_DIR.")
    if arguments.output.suffix.lower() != ".dcm":
        raise InputError(f"{arguments.output}: DICOM is written to a file that ends in .dcm.")
    beside = [_seg_of(arguments.output)] if arguments.to == "sr" else []
    _claim(arguments, arguments.output, *beside)
    series = _source(arguments.source, arguments.series)
    mask = read_mask_file(
        arguments.input, source=series, names=parse_names(arguments.names), threshold=arguments.threshold
    )
    if mask.fractional and arguments.to != "seg":
        raise InputError(f"{arguments.input} holds fractions; give --threshold 0.5 to make a mask of them.")
    if not mask.segments:
        raise InputError(f"{arguments.input} gives its labels no names; name them: --names 1=tumour.")
    target: SourceSeries = DeidentifiedSeries(series, _deidentifier(arguments)) if arguments.deidentify else series
    algorithm = _algorithm(mask)
    if arguments.to == "sr":
        _write_report(mask, arguments.output, series, target, algorithm, arguments)
    elif arguments.to == "rtstruct":
        write_rtstruct(mask.masks, arguments.output, source=target, segments=mask.segments, algorithm=algorithm)
    else:
        write_seg(
            mask.masks,
            arguments.output,
            source=target,
            segments=mask.segments,
            algorithm=algorithm,
            fractional=mask.fractional,
        )
    print(arguments.output)


def _write_report(
    mask: MaskFile,
    path: Path,
    series: DicomSeries,
    target: SourceSeries,
    algorithm: AlgorithmIdentity,
    arguments: argparse.Namespace,
) -> None:
    """The report and, beside it, the segmentation it refers to, with one segment per lesion."""
    from monai_unet.io import read_series
    from monai_unet.io.dicom import write_seg, write_sr

    if len(mask.masks) > 1:
        raise InputError(f"{arguments.input} has structures that overlap; report them one at a time.")
    image = read_series(arguments.source, series=series.id)
    labels, segments, lesions = _measured(mask, image, series)
    if not lesions:
        raise InputError(f"{arguments.input} is empty: there is no lesion to report.")
    seg = _seg_of(path)
    write_seg(labels, seg, source=target, segments=segments, algorithm=algorithm)
    write_sr(lesions, path, source=target, segmentation=seg, algorithm=algorithm)
    print(seg)


def _seg_of(report: Path) -> Path:
    """The segmentation that lies beside a report."""
    return report.with_name(f"{report.stem}.seg.dcm")


def _claim(arguments: argparse.Namespace, *targets: Path) -> None:
    """Refuse outputs that would replace an input, or another file unless the user agreed or we wrote it."""
    from monai_unet.io import claim_file
    from monai_unet.io.dicom import is_own_result

    for target in targets:
        again = arguments.overwrite or is_own_result(target)
        claim_file(target, inputs=_inputs(arguments), overwrite=again)


def _inputs(arguments: argparse.Namespace) -> list[Path]:
    names = [Path(word) for word in arguments.names if "=" not in word]
    return [arguments.input, *filter(None, (arguments.source, arguments.key)), *names]


def _measured(
    mask: MaskFile, image: MetaTensor, series: DicomSeries
) -> tuple[MetaTensor, list[Segment], list[LesionMeasurements]]:
    """Every connected part of every structure: a label map of parts, their segments, their measurements."""
    import numpy as np
    import torch
    from monai.data import MetaTensor

    from monai_unet.geometry import grid_of, place, to_working_frame
    from monai_unet.io import Segment
    from monai_unet.io.dicom import new_uid
    from monai_unet.measurement import component_map, for_report, measure_lesions

    assert series.grid is not None
    name = str(mask.masks.meta["filename_or_obj"])
    placed = place(mask.masks.numpy()[0], grid_of(mask.masks), series.grid, name=name)
    labels, grid = to_working_frame(placed, series.grid)
    slices = int(np.argmax(np.abs(np.linalg.inv(series.grid.affine) @ grid.affine)[2, :3]))
    parts = np.zeros(labels.shape, dtype=np.uint16)
    segments: list[Segment] = []
    lesions: list[LesionMeasurements] = []
    for segment in mask.segments:
        components = component_map(labels == segment.number)
        found = measure_lesions(components, grid.affine, image=image.numpy()[0], normal_axis=slices)
        for lesion in found:
            number = len(segments) + 1
            name = f"{segment.name} {lesion.number}" if len(found) > 1 else segment.name
            parts[components == lesion.number] = number
            segments.append(
                Segment(
                    number,
                    name,
                    meaning=segment.codes,
                    color=segment.color,
                    tracking_id=name[:64],
                    tracking_uid=str(new_uid()),
                )
            )
            lesions.append(for_report(lesion, segment=number, name=name, modality=series.modality))
    return MetaTensor(parts[None], affine=torch.as_tensor(grid.affine)), segments, lesions


def _copy_series(arguments: argparse.Namespace) -> None:
    from pydicom import dcmread

    from monai_unet.io import atomic_folder, claim_folder
    from monai_unet.io.dicom import ZipAwareOpener, write_deidentified

    if not arguments.deidentify:
        raise InputError("--to dicom copies a series without the patient's identity; say so with --deidentify.")
    claim_folder(arguments.output, inputs=_inputs(arguments))
    series = _source(arguments.input, arguments.series)
    with ZipAwareOpener() as files, atomic_folder(arguments.output) as folder:
        images = (dcmread(files.open(path), force=True) for path in series.files)
        count = write_deidentified(images, folder, _deidentifier(arguments))
    print(f"{arguments.output} ({count} files)")


def _source(path: Path, uid: str | None) -> DicomSeries:
    from monai_unet.io import find_series
    from monai_unet.io.dicom import choose_series

    series = choose_series(find_series(path), path, uid)
    if series.problems:
        raise InputError(f"{path}: series {series.id} {series.problems[0]}.")
    return series


def _deidentifier(arguments: argparse.Namespace) -> Deidentifier:
    from monai_unet.io.dicom import Deidentifier

    return Deidentifier.from_key_file(arguments.key) if arguments.key else Deidentifier()


def _algorithm(mask: MaskFile) -> AlgorithmIdentity:
    """What the file says drew it; a mask that does not say counts as drawn with help."""
    from monai_unet.io import AlgorithmIdentity
    from monai_unet.version import __version__

    return mask.algorithm or AlgorithmIdentity("monai-unet convert", __version__, made_by="SEMIAUTOMATIC")
