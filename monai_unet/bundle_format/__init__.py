"""Model bundles as they lie on the disk: found, trusted, described, built into parts, run by `monai.bundle`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
