from .codes import Meaning, meaning_of
from .deidentify import DeidentifiedSeries, Deidentifier, write_deidentified
from .encapsulated_pdf import write_encapsulated_pdf
from .files import DICOM_SUFFIXES, FileHeader, ZipAwareOpener, is_dicom, read_headers
from .geometry import LPS_TO_RAS
from .key_objects import write_key_objects
from .own_result import is_own_result
from .patients import Patient, by_patient, take_patient
from .presentation_state import Outline, write_presentation_state
from .provenance import new_uid
from .read import choose_series, read_series
from .result_file import kind_of
from .rtstruct import write_rtstruct
from .rtstruct_read import read_rtstruct
from .secondary_capture import Slide, write_secondary_captures
from .seg import write_seg
from .seg_read import read_seg
from .series import NOT_IMAGES, DicomSeries, find_series
from .source import SourceSeries
from .sr import write_sr
from .suv import suv_factor
from .usable_series import find_usable_series

__all__ = [
    "DICOM_SUFFIXES",
    "LPS_TO_RAS",
    "NOT_IMAGES",
    "DeidentifiedSeries",
    "Deidentifier",
    "DicomSeries",
    "FileHeader",
    "Meaning",
    "Outline",
    "Patient",
    "Slide",
    "SourceSeries",
    "ZipAwareOpener",
    "by_patient",
    "choose_series",
    "find_series",
    "find_usable_series",
    "is_dicom",
    "is_own_result",
    "kind_of",
    "meaning_of",
    "new_uid",
    "read_headers",
    "read_rtstruct",
    "read_seg",
    "read_series",
    "suv_factor",
    "take_patient",
    "write_deidentified",
    "write_encapsulated_pdf",
    "write_key_objects",
    "write_presentation_state",
    "write_rtstruct",
    "write_secondary_captures",
    "write_seg",
    "write_sr",
]
