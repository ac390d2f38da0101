from .engine import choose_device
from .export import Exported, export_bundle
from .segment import as_volume, segment
from .segmenter import PreparedCase, Progress, Segmentation, Segmenter

__all__ = [
    "Exported",
    "PreparedCase",
    "Progress",
    "Segmentation",
    "Segmenter",
    "as_volume",
    "choose_device",
    "export_bundle",
    "segment",
]
