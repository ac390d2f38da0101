"""Inferers that a bundle's config names: how a volume goes through a network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
