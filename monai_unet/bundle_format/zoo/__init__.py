"""MONAI's Model Zoo as it is hosted: Hugging Face first, then NGC; what it offers, and one bundle fetched."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
