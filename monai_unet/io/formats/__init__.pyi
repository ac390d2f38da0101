from .label_table import LabelEntry, LabelTable
from .nifti import coordinate_system, read_one_of_several
from .registry import PICTURE_SUFFIXES, VOLUME_SUFFIXES, format_of, format_to_write

__all__ = [
    "PICTURE_SUFFIXES",
    "VOLUME_SUFFIXES",
    "LabelEntry",
    "LabelTable",
    "coordinate_system",
    "format_of",
    "format_to_write",
    "read_one_of_several",
]
