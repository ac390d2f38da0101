from .segment import as_volume, segment
from .segmenter import Case, Progress, Segmentation, Segmenter

__all__ = ["Case", "Progress", "Segmentation", "Segmenter", "as_volume", "segment"]
