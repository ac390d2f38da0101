"""Where voxels lie: grids, boxes, and one grid put onto another. Axes (S, A, R), millimetres; no files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
