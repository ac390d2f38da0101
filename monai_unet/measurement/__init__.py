"""Lesions of a mask: connected parts, volumes, diameters, pictures; for the dock, for reports and for evaluation."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
