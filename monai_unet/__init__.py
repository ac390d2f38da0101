"""3D U-Net segmentation of MRI and CT on MONAI: bundles, input/output, inference, interaction and evaluation."""

from monai_unet.errors import InputError
from monai_unet.version import __version__

__all__ = ["InputError", "__version__"]
