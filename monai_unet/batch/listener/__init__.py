"""A listener in a hospital's network: studies come in, are segmented by rules, and results go where a rule says.

The process that listens loads no network: what segments runs in a process of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
