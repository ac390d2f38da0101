"""The U-Net family: one table of names, built by `build_unet`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
