from .label_table import Color, LabelEntry, LabelTable
from .registry import VOLUME_SUFFIXES, format_of, format_to_write

__all__ = ["VOLUME_SUFFIXES", "Color", "LabelEntry", "LabelTable", "format_of", "format_to_write"]
