"""MONAI's own inferers as streaming ones, where the result is the same."""

from __future__ import annotations

from monai.inferers import SimpleInferer, SlidingWindowInferer

from monai_unet.inferers.sliding_window import StreamingSlidingWindowInferer
from monai_unet.inferers.streaming import StreamingInferer
from monai_unet.inferers.whole_volume import WholeVolumeInferer


def as_streaming(inferer: object) -> StreamingInferer | None:
    """A streaming inferer with the same windows, weights and padding, or None where that cannot be said."""
    if isinstance(inferer, StreamingInferer):
        return inferer
    if type(inferer) is SimpleInferer:
        return WholeVolumeInferer(trained_whole=True)
    if type(inferer) is not SlidingWindowInferer or inferer.with_coord:
        return None
    return StreamingSlidingWindowInferer(
        inferer.roi_size,
        overlap=inferer.overlap,
        sw_batch_size=inferer.sw_batch_size,
        mode=inferer.mode,
        sigma_scale=inferer.sigma_scale,
        padding_mode=str(getattr(inferer.padding_mode, "value", inferer.padding_mode)),
        cval=inferer.cval,
    )
