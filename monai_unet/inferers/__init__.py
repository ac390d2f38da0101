"""Inferers that a bundle's config names: how a volume goes through a network."""

from monai_unet.inferers.whole_volume import WholeVolumeInferer

__all__ = ["WholeVolumeInferer"]
