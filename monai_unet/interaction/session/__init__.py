"""The edit session: objects of one image, each change an undoable step in a journal. No Qt, no network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
