"""Studies in and out of a PACS, by DIMSE or DICOMweb: found, fetched whole or not at all, sent and looked for again.

Nothing here reads voxels, so that a process that only moves files stays small.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
