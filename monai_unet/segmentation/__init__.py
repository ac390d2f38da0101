"""A bundle run on a case: files or a volume in, a label map on the same grid out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
