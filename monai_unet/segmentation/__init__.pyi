from .engine import choose_device
from .segment import as_volume, segment
from .segmenter import PreparedCase, Progress, Segmentation, Segmenter

__all__ = ["PreparedCase", "Progress", "Segmentation", "Segmenter", "as_volume", "choose_device", "segment"]
