"""Transforms that MONAI lacks."""

from monai_unet.transforms.check_pair import CheckPaird

__all__ = ["CheckPaird"]
