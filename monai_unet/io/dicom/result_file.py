"""One DICOM file that holds a result (SEG, RTSTRUCT, SR), opened and checked to be of the kind that is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

from monai_unet.errors import InputError
from monai_unet.io.dicom import deflated
from monai_unet.io.limits import check_need

MOST_DEFLATED = 1 << 30
"""Bytes that a deflated result may unpack to."""

LABEL_MAP_SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"

KINDS: dict[str, str] = {
    str(SegmentationStorage): "seg",
    LABEL_MAP_SEGMENTATION_STORAGE: "seg",
    str(RTStructureSetStorage): "rtstruct",
    str(EnhancedSRStorage): "sr",
    str(ComprehensiveSRStorage): "sr",
    str(Comprehensive3DSRStorage): "sr",
}
"""SOP class of a result → short name of its kind."""

_NAMES = {"seg": "a DICOM segmentation (SEG)", "rtstruct": "an RT structure set", "sr": "a structured report"}


def kind_of(path: str | Path) -> str | None:
    """ "seg", "rtstruct" or "sr" if the file is a DICOM result, None for any other file, DICOM or not."""
    try:
        with Path(path).open("rb") as stream:
            head = deflated.head_of(stream) if deflated.is_deflated(stream) else stream
            header = pydicom.dcmread(head, specific_tags=["SOPClassUID"], stop_before_pixels=True)
            return KINDS.get(str(header.get("SOPClassUID", "")))
    except Exception:
        # damaged bytes make the parser raise anything
        return None


@contextmanager
def damage_named(path: str | Path) -> Iterator[None]:
    """Say in one sentence that a file is damaged where its content makes no sense.

    Raises:
        InputError: the reason, in place of the parser's error.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # damaged bytes make the parser raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is damaged, or lacks what it should hold ({reason}); it cannot be used.") from None


def open_result(path: str | Path, kind: str) -> FileDataset:
    """The dataset of a result file.

    Raises:
        InputError: missing, damaged, or not of this kind ("seg", "rtstruct" or "sr").
    """
    try:
        check_need(Path(path).stat().st_size, path)
        with Path(path).open("rb") as stream:
            if deflated.is_deflated(stream) and deflated.inflates_beyond(stream, MOST_DEFLATED):
                raise InputError(
                    f"{path} unpacks to more than {MOST_DEFLATED >> 20} MiB; store it without deflating it."
                )
        dataset = pydicom.dcmread(path)
        sop_class = dataset.get("SOPClassUID", "")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name the file of {_NAMES[kind]} in it.") from None
    except pydicom.errors.InvalidDicomError:
        raise InputError(f"{path} is not a DICOM file; give {_NAMES[kind]}.") from None
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as DICOM, it is damaged or cut short ({error}); copy it again."
        ) from None
    if KINDS.get(str(sop_class)) != kind:
        what = getattr(sop_class, "name", sop_class) or "nothing that says its kind"
        raise InputError(f"{path} is {what}, not {_NAMES[kind]}; give another file.")
    return dataset
