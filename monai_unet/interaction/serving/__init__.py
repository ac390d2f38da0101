"""Our editor behind nnInteractive's protocol: leases, images within bounds, prompts answered one after the other."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
