"""De-identification by the Basic Application Level Confidentiality Profile (DICOM PS3.15, annex E, table E.1-1).

The table is that of the package dicom-anonymizer. It is applied to the source's headers, at every depth of nesting;
results are then built on these, so that what they say of the patient never was there. UIDs and the patient's
identifier are replaced by a keyed hash: the same key gives the same replacement in every file and every run, and
without the key nobody can test a guess.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from dicomanonymizer import simpledicomanonymizer as anonymizer
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom.kept_elements import goes, is_emptied, names_a_kind
from monai_unet.io.dicom.source import SourceSeries
from monai_unet.io.results import Segment
from monai_unet.version import __version__

EDITION = "dicomfields_2026c"
SHORTEST_KEY = 16
IMPLEMENTATION_CLASS = UID("2.25.302717363914582207604153262917345083021")
"""Names this program in the file meta information of the copies it writes."""

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


class Deidentifier:
    """Applies the profile to datasets; one instance, or one key, keeps what belongs together together.

    Args:
        key: secret of at least 16 bytes; a new random one when None, and then nobody can link the results to the
            patient, nor add to them later.
        pixels_checked: somebody looked at the pixels, and they show nothing of the patient. Without it, images that
            usually show a name or a face (secondary captures, screen saves, recognizable features) are refused.
    """

    def __init__(self, key: bytes | None = None, *, pixels_checked: bool = False) -> None:
        if key is not None and len(key) < SHORTEST_KEY:
            raise InputError(f"The key for de-identification needs at least {SHORTEST_KEY} bytes, got {len(key)}.")
        self._key = key if key is not None else secrets.token_bytes(32)
        self._pixels_checked = pixels_checked

    @classmethod
    def from_key_file(cls, path: str | Path, *, pixels_checked: bool = False) -> Deidentifier:
        """With the content of a file as the key.

        Raises:
            InputError: missing, or too short.
        """
        try:
            return cls(Path(path).read_bytes().strip(), pixels_checked=pixels_checked)
        except OSError as error:
            raise InputError(f"The key file {path} cannot be read ({error.strerror}).") from None

    def uid(self, original: str) -> UID:
        """The replacement of a UID, under 2.25; UIDs of the standard itself (SOP classes and the like) stay."""
        if not original or original.startswith("1.2.840.10008."):
            return UID(original)
        return UID(f"2.25.{uuid.UUID(bytes=self._digest('uid', original)[:16], version=4).int}")

    def patient(self, original: str) -> str:
        """Pseudonym of a patient identifier."""
        return f"ANON-{self._digest('patient', original).hex()[:12].upper()}"

    def segments(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """Structures without the identifiers that link them to an earlier file; their names and codes stay."""
        return tuple(
            replace(
                segment, tracking_uid=self.uid(segment.tracking_uid) if segment.tracking_uid else "", tracking_id=""
            )
            for segment in segments
        )

    def dataset(self, dataset: Dataset) -> Dataset:
        """A de-identified copy.

        Raises:
            InputError: the headers say that the pixels show text or a face, which no header can remove.
        """
        self._refuse_telling_pixels(dataset)
        result = copy.deepcopy(dataset)
        pseudonym = self.patient(str(dataset.get("PatientID", "")))
        self._clean(result)
        result.PatientID = result.PatientName = pseudonym
        result.PatientIdentityRemoved = "YES"
        result.DeidentificationMethod = f"DICOM PS3.15 Basic Profile, dicom-anonymizer {_version()}"
        result.DeidentificationMethodCodeSequence = [_code_item()]
        if hasattr(result, "file_meta"):
            result.file_meta = _file_meta(result)
        if hasattr(result, "preamble"):
            result.preamble = b"\0" * 128
        return result

    def _refuse_telling_pixels(self, dataset: Dataset) -> None:
        if _says_yes(dataset, "BurnedInAnnotation"):
            raise InputError("The images have text burned into their pixels (Burned In Annotation); remove it first.")
        if self._pixels_checked:
            return
        kinds = [str(value).upper().replace("_", " ") for value in _values(dataset.get("ImageType"))]
        sop_class = str(dataset.get("SOPClassUID", ""))
        if _says_yes(dataset, "RecognizableVisualFeatures"):
            found = "The images show features by which the patient can be recognized (Recognizable Visual Features)"
        elif any(kind in ("SCREEN SAVE", "SCREENSAVE") for kind in kinds):
            found = "The images are copies of a screen (Image Type SCREEN SAVE), which often show the patient's name"
        elif sop_class == _SECONDARY_CAPTURE or sop_class.startswith(f"{_SECONDARY_CAPTURE}."):
            found = "The images are secondary captures, which often show the patient's name"
        else:
            return
        raise InputError(f"{found}; look at them, and if nothing shows who it is, say so with --pixels-checked.")

    def _digest(self, kind: str, original: str) -> bytes:
        return hmac.digest(self._key, f"{kind}\0{original}".encode(), hashlib.sha256)

    def _clean(self, dataset: Dataset) -> None:
        table = _table()
        for tag in list(dataset.keys()):
            action = table.get((tag.group, tag.element))
            if action is not None:
                self._act(dataset, (tag.group, tag.element), action)
            elif goes(dataset[tag]):
                del dataset[tag]
            elif is_emptied(dataset[tag]):
                dataset[tag].value = None
            elif dataset[tag].VR == "UI":
                self._hash_uids(dataset[tag])
            if tag in dataset and dataset[tag].VR == "SQ":
                for item in dataset[tag].value:
                    self._clean(item)

    def _act(self, dataset: Dataset, tag: tuple[int, int], action: Callable[[Dataset, tuple[int, int]], None]) -> None:
        element = dataset[tag]
        if action is anonymizer.delete:
            del dataset[tag]
        elif element.VR == "UI":
            self._hash_uids(element)
        elif action is anonymizer.delete_or_empty_or_replace_UID:
            return  # sequences of references: their UIDs are replaced on the way down
        elif action in (anonymizer.empty, anonymizer.delete_or_empty):
            element.value = [] if element.VR == "SQ" else None
        elif element.VR == "SQ":
            del dataset[tag]
        else:
            action(dataset, tag)

    def _hash_uids(self, element: DataElement) -> None:
        uids = [str(value) for value in _values(element.value)]
        replaced = [UID(uid) if names_a_kind(element, uid) else self.uid(uid) for uid in uids]
        element.value = replaced[0] if len(replaced) == 1 else replaced


def _values(value: object) -> list[object]:
    """The values of an element as a list, also of one value and of none."""
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple | MultiValue) else [value]


def _says_yes(dataset: Dataset, keyword: str) -> bool:
    return any(str(value).strip().upper() == "YES" for value in _values(dataset.get(keyword)))


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    """Describes the program that de-identified, as PS3.15 E.1.1 asks; the transfer syntax stays."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.TransferSyntaxUID = dataset.file_meta.get("TransferSyntaxUID") or _syntax_of(dataset)
    if "SOPClassUID" in dataset:
        meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    if "SOPInstanceUID" in dataset:
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS
    meta.ImplementationVersionName = f"MONAI-UNET {__version__}"[:16].strip()
    return meta


def _syntax_of(dataset: Dataset) -> UID:
    implicit, little = dataset.original_encoding
    if implicit is not False:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if little is False else ExplicitVRLittleEndian


@functools.cache
def _table() -> dict[tuple[int, int], Callable[[Dataset, tuple[int, int]], None]]:
    actions = anonymizer.initialize_actions(EDITION)
    return {tag: action for tag, action in actions.items() if len(tag) == 2}


def _version() -> str:
    return metadata.version("dicom-anonymizer")


def _code_item() -> Dataset:
    code, item = codes.DCM.BasicApplicationConfidentialityProfile, Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


class DeidentifiedSeries:
    """A source series whose headers are de-identified: results written on it carry nothing of the patient."""

    def __init__(self, series: SourceSeries, deidentifier: Deidentifier) -> None:
        self._series = series
        self._deidentifier = deidentifier

    @property
    def grid(self) -> Grid | None:
        """Grid of the series, unchanged."""
        return self._series.grid

    def headers(self) -> list[Dataset]:
        """De-identified headers."""
        return [self._deidentifier.dataset(header) for header in self._series.headers()]


def write_deidentified(images: Iterator[Dataset], folder: str | Path, deidentifier: Deidentifier) -> int:
    """Write de-identified copies of DICOM images (datasets with pixels) as `0001.dcm`, …; their number."""
    count = 0
    for count, image in enumerate(images, start=1):
        result = deidentifier.dataset(image)
        with atomic_path(Path(folder) / f"{count:04d}.dcm") as temporary:
            result.save_as(temporary, enforce_file_format=True)
    return count
