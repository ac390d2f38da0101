"""nnInteractive's protocol: its paths and arrays on the wire, and a server of it that answers our prompts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
