"""The U-Net family: one table of names, built by `build_unet`."""

from monai_unet.networks.diffusion import DiffusionUNet, MaskSamples
from monai_unet.networks.dynunet import DynUNet
from monai_unet.networks.receptive_field import is_translation_equivariant, receptive_field
from monai_unet.networks.table import NETWORKS, Network, build_unet
from monai_unet.networks.transunet import TransUNet
from monai_unet.networks.unet import UNet

__all__ = [
    "NETWORKS",
    "DiffusionUNet",
    "DynUNet",
    "MaskSamples",
    "Network",
    "TransUNet",
    "UNet",
    "build_unet",
    "is_translation_equivariant",
    "receptive_field",
]
