"""What answers a prompt: a classical method or a network, looking at the image around the click."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
