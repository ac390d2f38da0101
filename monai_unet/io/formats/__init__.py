"""Volume files that are not DICOM: NIfTI, NRRD, MetaImage, and the label tables inside them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
