"""Volumes to try things on: demonstrations out of Python packages, and public data sets."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
