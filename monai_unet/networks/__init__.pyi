from .anisotropy import strides_and_kernels
from .diffusion import DiffusionUNet, MaskSamples
from .dynunet import DynUNet
from .plans_unet import FoldEnsemble, PlansUNet
from .receptive_field import is_translation_equivariant, receptive_field
from .table import NETWORKS, Network, build_unet
from .transunet import TransUNet
from .unet import UNet

__all__ = [
    "NETWORKS",
    "DiffusionUNet",
    "DynUNet",
    "FoldEnsemble",
    "MaskSamples",
    "Network",
    "PlansUNet",
    "TransUNet",
    "UNet",
    "build_unet",
    "is_translation_equivariant",
    "receptive_field",
    "strides_and_kernels",
]
