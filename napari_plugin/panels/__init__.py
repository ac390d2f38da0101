"""The dock's panels; each talks to the edit session and to no other panel."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
