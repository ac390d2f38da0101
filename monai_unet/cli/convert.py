"""`monai-unet convert`"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say, say_notes
from monai_unet.errors import InputError

if TYPE_CHECKING:
    from monai_unet.io import AlgorithmIdentity, MaskFile
    from monai_unet.io.dicom import Deidentifier, DicomSeries, SourceSeries


@dataclass(frozen=True, kw_only=True)
class ConvertCommand(Command):
    """Convert one input; what it becomes follows from the suffix of OUT and --to."""

    input: Annotated[Path, Positional("DICOM series, volume, mask, DICOM SEG or RTSTRUCT", metavar="IN")]
    output: Annotated[
        Path, Positional(".nii.gz, .nii, .nrrd or .mha; .dcm with --to; a folder with --split", metavar="OUT")
    ]
    to: Annotated[
        Literal["seg", "rtstruct", "sr", "viewers", "dicom"] | None,
        Option(
            "write a DICOM segmentation, an RT structure set, a report of every lesion's size with its segmentation "
            "beside it, a folder with both and with what any viewer shows (pictures, key objects, PDF, outlines), or "
            "(with --deidentify) a copy of the series"
        ),
    ] = None
    source: Annotated[Path | None, Option("the series the mask was drawn on", metavar="DICOM_DIR")] = None
    series: Annotated[str | None, Option("which series of IN or of --source (see: monai-unet info)", metavar="UID")] = (
        None
    )
    names: Annotated[tuple[str, ...], Option("what the labels are, or a file that says so", metavar="VALUE=NAME")] = ()
    threshold: Annotated[float | None, Option("turns the fractions of a DICOM SEG into a mask")] = None
    split: Annotated[bool, Option("one mask file per structure, for those that overlap")] = False
    deidentify: Annotated[bool, Option("DICOM without the patient's identity (PS3.15)")] = False
    key: Annotated[
        Path | None,
        Option("secret that gives the same pseudonyms in every run; default: random", metavar="FILE"),
    ] = None
    pixels_checked: Annotated[
        bool,
        Option(
            "with --deidentify: the pixels of secondary captures, screen saves and images with recognizable features "
            "were looked at, and show nothing of the patient"
        ),
    ] = False
    memory_limit: Annotated[
        float | None, Option("memory that reading one volume may take (default: 70 %% of what is free)", metavar="GIB")
    ] = None
    overwrite: Annotated[bool, Option("replace a file that is there (never an input)")] = False
    resample: Annotated[bool, Option("accept a series with missing or uneven slices")] = False

    def run(self) -> int:
        """Convert and name what was written."""
        if self.to == "dicom":
            self._copy_series()
        elif self.to == "viewers":
            self._mask_for_viewers()
        elif self.to is not None:
            self._mask_to_dicom()
        elif self.output.suffix.lower() == ".dcm":
            raise InputError(f"{self.output}: say what to write, --to seg, --to rtstruct or --to sr.")
        elif self.deidentify:
            raise InputError("--deidentify is for DICOM outputs; volume files never hold the patient's identity.")
        elif self._is_mask():
            self._mask_to_volume()
        else:
            self._image_to_volume()
        return 0

    def _is_mask(self) -> bool:
        """Whether the input is a DICOM result, has label names in it, or is called a mask by the options."""
        from monai_unet.io import read_label_table
        from monai_unet.io.dicom import is_dicom, kind_of

        if self.names or self.split:
            return True
        if not self.input.is_file():
            return False
        if kind_of(self.input) is not None:
            return True
        return not is_dicom(self.input) and bool(read_label_table(self.input))

    def _image_to_volume(self) -> None:
        from monai_unet.io import in_smallest_type, notes_of, read_volume, write_volume

        self._claim(self.output)
        volume = read_volume(self.input, series=self.series, uneven="resample" if self.resample else "refuse")
        write_volume(in_smallest_type(volume), self.output)
        say(self.output)
        say_notes(notes_of(volume.meta))

    def _mask_to_volume(self) -> None:
        from monai_unet.io import files_of_structures, write_each_structure, write_label_map
        from monai_unet.io.dicom import find_usable_series

        if not self.split:
            self._claim(self.output)
        mask = self._read_mask(find_usable_series(self.source, self.series) if self.source else None)
        self._refuse_fractions(mask)
        if self.split:
            self._claim(*files_of_structures(mask, self.output))
            say(*write_each_structure(mask, self.output), sep="\n")
        elif len(mask.masks) > 1:
            raise InputError(f"{self.input} has structures that overlap; write one file for each with --split.")
        else:
            write_label_map(mask.masks.numpy(), self.output, like=mask.masks.meta, table=mask.table())
            say(self.output)

    def _mask_to_dicom(self) -> None:
        from monai_unet.io.dicom import DeidentifiedSeries, find_usable_series
        from monai_unet.measurement import segmentation_beside

        if self.source is None:
            raise InputError(f"--to {self.to} needs the images the mask was drawn on; give --source DICOM_DIR.")
        if self.output.suffix.lower() != ".dcm":
            raise InputError(f"{self.output}: DICOM is written to a file that ends in .dcm.")
        self._claim(self.output, *([segmentation_beside(self.output)] if self.to == "sr" else []))
        series = find_usable_series(self.source, self.series)
        mask = self._read_mask(series)
        if self.to != "seg":
            self._refuse_fractions(mask)
        if not mask.segments:
            raise InputError(f"{self.input} gives its labels no names; name them: --names 1=tumour.")
        target: SourceSeries = series
        if self.deidentify:
            deidentifier = self._deidentifier()
            target = DeidentifiedSeries(series, deidentifier)
            mask = replace(mask, segments=deidentifier.segments(mask.segments))
        self._write_dicom(mask, self.source, series, target)
        say(self.output)

    def _mask_for_viewers(self) -> None:
        from monai_unet.io import claim_folder
        from monai_unet.io.dicom import DeidentifiedSeries, find_usable_series
        from monai_unet.measurement import write_viewer_results

        if self.source is None:
            raise InputError("--to viewers needs the images the mask was drawn on; give --source DICOM_DIR.")
        claim_folder(self.output, inputs=self._inputs())
        series = find_usable_series(self.source, self.series)
        mask = self._read_mask(series)
        self._refuse_fractions(mask)
        if not mask.segments:
            raise InputError(f"{self.input} gives its labels no names; name them: --names 1=tumour.")
        target: SourceSeries = series
        if self.deidentify:
            deidentifier = self._deidentifier()
            target = DeidentifiedSeries(series, deidentifier)
            mask = replace(mask, segments=deidentifier.segments(mask.segments))
        done = write_viewer_results(
            mask, self.output, images=self.source, series=series, target=target, algorithm=_algorithm(mask)
        )
        say(f"{self.output} ({sum(map(len, done.files.values()))} files)")
        say_notes(done.notes)

    def _write_dicom(self, mask: MaskFile, images: Path, series: DicomSeries, target: SourceSeries) -> None:
        from monai_unet.io.dicom import write_rtstruct, write_seg
        from monai_unet.measurement import write_lesion_report

        algorithm = _algorithm(mask)
        if self.to == "sr":
            say(
                write_lesion_report(mask, self.output, images=images, series=series, target=target, algorithm=algorithm)
            )
        elif self.to == "rtstruct":
            write_rtstruct(mask.masks, self.output, source=target, segments=mask.segments, algorithm=algorithm)
        else:
            write_seg(
                mask.masks,
                self.output,
                source=target,
                segments=mask.segments,
                algorithm=algorithm,
                fractional=mask.fractional,
            )

    def _copy_series(self) -> None:
        from pydicom import dcmread

        from monai_unet.io import atomic_folder, claim_folder
        from monai_unet.io.dicom import ZipAwareOpener, find_usable_series, write_deidentified

        if not self.deidentify:
            raise InputError("--to dicom copies a series without the patient's identity; say so with --deidentify.")
        claim_folder(self.output, inputs=self._inputs())
        series = find_usable_series(self.input, self.series)
        with ZipAwareOpener() as files, atomic_folder(self.output) as folder:
            images = (dcmread(files.open(path), force=True) for path in series.files)
            count = write_deidentified(images, folder, self._deidentifier())
        say(f"{self.output} ({count} files)")
        say_notes(series.notes)

    def _claim(self, *targets: Path) -> None:
        """Refuse outputs that would replace an input, or another file unless the user agreed or we wrote it."""
        from monai_unet.io import claim_file
        from monai_unet.io.dicom import is_own_result

        for target in targets:
            claim_file(target, inputs=self._inputs(), overwrite=self.overwrite or is_own_result(target))

    def _inputs(self) -> list[Path]:
        names = [Path(word) for word in self.names if "=" not in word]
        return [self.input, *filter(None, (self.source, self.key)), *names]

    def _read_mask(self, source: DicomSeries | None) -> MaskFile:
        from monai_unet.io import notes_of, parse_names, read_mask_file

        mask = read_mask_file(self.input, source=source, names=parse_names(self.names), threshold=self.threshold)
        say_notes([*(source.notes if source is not None else ()), *notes_of(mask.masks.meta)])
        return mask

    def _refuse_fractions(self, mask: MaskFile) -> None:
        if mask.fractional:
            raise InputError(f"{self.input} holds fractions; give --threshold 0.5 to make a mask of them.")

    def _deidentifier(self) -> Deidentifier:
        from monai_unet.io.dicom import Deidentifier

        if self.key is None:
            return Deidentifier(pixels_checked=self.pixels_checked)
        return Deidentifier.from_key_file(self.key, pixels_checked=self.pixels_checked)


def _algorithm(mask: MaskFile) -> AlgorithmIdentity:
    """What the file says drew it; a mask that does not say counts as drawn with help."""
    from monai_unet.io import AlgorithmIdentity
    from monai_unet.version import __version__

    return mask.algorithm or AlgorithmIdentity("monai-unet convert", __version__, made_by="SEMIAUTOMATIC")
