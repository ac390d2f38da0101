"""From a labelled data set to a model: fingerprint, plan, training, choice, bundle."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
