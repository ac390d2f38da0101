"""Which files are which case: folders, Decathlon data sets, sequences as channels, what lies below a path."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
