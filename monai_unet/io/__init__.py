"""Files to volumes and back: every volume in the working frame (S, A, R), every result on the grid it came from."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
