"""Inferers that a bundle's config names: how a volume goes through a network."""

from monai_unet.inferers.averaging import Averaged
from monai_unet.inferers.halo_strips import HaloStripInferer, smallest_halo
from monai_unet.inferers.localised import LocalisedInferer
from monai_unet.inferers.sliding_window import StreamingSlidingWindowInferer
from monai_unet.inferers.streaming import Slab, Step, StreamingInferer
from monai_unet.inferers.whole_volume import WholeVolumeInferer

__all__ = [
    "Averaged",
    "HaloStripInferer",
    "LocalisedInferer",
    "Slab",
    "Step",
    "StreamingInferer",
    "StreamingSlidingWindowInferer",
    "WholeVolumeInferer",
    "smallest_halo",
]
