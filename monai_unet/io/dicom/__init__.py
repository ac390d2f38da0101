"""DICOM in and out: series as volumes; SEG, RTSTRUCT and SR of results; de-identification."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
