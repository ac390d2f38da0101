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
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from dicomanonymizer import simpledicomanonymizer as anonymizer
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.io.atomic import atomic_path
from monai_unet.io.dicom.source import SourceSeries

EDITION = "dicomfields_2026c"
SHORTEST_KEY = 16
_OVERLAYS_AND_CURVES = (0x5000, 0x6000)


class Deidentifier:
    """Applies the profile to datasets; one instance, or one key, keeps what belongs together together.

    Args:
        key: secret of at least 16 bytes; a new random one when None, and then nobody can link the results to the
            patient, nor add to them later.
    """

    def __init__(self, key: bytes | None = None) -> None:
        if key is not None and len(key) < SHORTEST_KEY:
            raise InputError(f"The key for de-identification needs at least {SHORTEST_KEY} bytes, got {len(key)}.")
        self._key = key if key is not None else secrets.token_bytes(32)

    @classmethod
    def from_key_file(cls, path: str | Path) -> Deidentifier:
        """With the content of a file as the key.

        Raises:
            InputError: missing, or too short.
        """
        try:
            return cls(Path(path).read_bytes().strip())
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

    def dataset(self, dataset: Dataset) -> Dataset:
        """A de-identified copy.

        Raises:
            InputError: the headers say that annotation is burned into the pixels, which no header can remove.
        """
        if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
            raise InputError("The images have text burned into their pixels (Burned In Annotation); remove it first.")
        result = copy.deepcopy(dataset)
        pseudonym = self.patient(str(dataset.get("PatientID", "")))
        self._clean(result)
        result.PatientID = result.PatientName = pseudonym
        result.PatientIdentityRemoved = "YES"
        result.DeidentificationMethod = f"DICOM PS3.15 Basic Profile, dicom-anonymizer {_version()}"
        result.DeidentificationMethodCodeSequence = [_code_item()]
        result.remove_private_tags()
        meta = getattr(result, "file_meta", None)
        if meta is not None and "MediaStorageSOPInstanceUID" in meta:
            meta.MediaStorageSOPInstanceUID = self.uid(str(dataset.SOPInstanceUID))
        if hasattr(result, "preamble"):
            result.preamble = b"\0" * 128
        return result

    def _digest(self, kind: str, original: str) -> bytes:
        return hmac.digest(self._key, f"{kind}\0{original}".encode(), hashlib.sha256)

    def _clean(self, dataset: Dataset) -> None:
        table = _table()
        for tag in list(dataset.keys()):
            if tag.group & 0xFF00 in _OVERLAYS_AND_CURVES or tag.is_private_creator:
                del dataset[tag]
                continue
            action = table.get((tag.group, tag.element))
            if action is not None:
                self._act(dataset, (tag.group, tag.element), action)
            if tag in dataset and dataset[tag].VR == "SQ":
                for item in dataset[tag].value:
                    self._clean(item)

    def _act(self, dataset: Dataset, tag: tuple[int, int], action: Callable[[Dataset, tuple[int, int]], None]) -> None:
        element = dataset[tag]
        if action is anonymizer.delete:
            del dataset[tag]
        elif element.VR == "UI":
            values = [element.value] if element.VM <= 1 else list(element.value)
            replaced = [self.uid(str(value)) for value in values]
            element.value = replaced[0] if len(replaced) == 1 else replaced
        elif action is anonymizer.delete_or_empty_or_replace_UID:
            return  # sequences of references: their UIDs are replaced on the way down
        elif action in (anonymizer.empty, anonymizer.delete_or_empty):
            element.value = [] if element.VR == "SQ" else None
        elif element.VR == "SQ":
            del dataset[tag]
        else:
            action(dataset, tag)


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
