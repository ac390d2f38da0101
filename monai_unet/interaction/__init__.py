"""Prompts, guidance and the edit session behind interactive correction (no Qt)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
