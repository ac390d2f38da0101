from .segmenter import Case, Progress, Segmentation, Segmenter

__all__ = ["Case", "Progress", "Segmentation", "Segmenter"]
