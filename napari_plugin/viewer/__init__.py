"""What the napari window shows and takes: planes, layers, marks, tools, canvases."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
