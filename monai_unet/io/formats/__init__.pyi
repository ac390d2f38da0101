from .label_table import LabelEntry, LabelTable
from .registry import VOLUME_SUFFIXES, format_of, format_to_write

__all__ = ["VOLUME_SUFFIXES", "LabelEntry", "LabelTable", "format_of", "format_to_write"]
