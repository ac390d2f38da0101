"""The U-Net family: one table of names, built by `build_unet`."""

from monai_unet.networks.table import BUILDERS, build_unet
from monai_unet.networks.unet import UNet

__all__ = ["BUILDERS", "UNet", "build_unet"]
