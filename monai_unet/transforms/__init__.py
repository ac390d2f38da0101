"""Transforms that MONAI lacks."""

from monai_unet.transforms.check_pair import CheckPaird
from monai_unet.transforms.mirror_sides import RandMirrorSidesd

__all__ = ["CheckPaird", "RandMirrorSidesd"]
