"""The whole volume in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from monai_unet.inferers.averaging import Activation, Averaged
from monai_unet.inferers.equivariance import instance_statistics, is_known, require_equivariance
from monai_unet.inferers.halo_strips import HaloStripInferer
from monai_unet.inferers.out_of_memory import is_out_of_memory, release_memory
from monai_unet.inferers.sliding_window import StreamingSlidingWindowInferer
from monai_unet.inferers.streaming import InferenceStep, Network, Slab, StreamingInferer


class WholeVolumeInferer(StreamingInferer):
    """One forward pass over the whole volume, and over one mirrored copy for each of `flips`.

    Args:
        flips: spatial axes (of S, A, R: 0, 1, 2); for each, a mirrored copy is computed too, mirrored back, and the
            probabilities are averaged.
        activation: "softmax" or, for region outputs, "sigmoid"; what probabilities are.
        mirrored_pairs: output channels of paired structures, for example [[3, 4]] for right and left parotid, which
            change places in a copy mirrored along R.
        trained_whole: the network was trained on whole volumes, so that statistics over one are what it knows;
            otherwise a network with instance statistics is refused, or looked at through `windows`.
        windows: voxels (S, A, R) of the patches that a network with instance statistics was trained with; it gets
            overlapping windows of this size (`StreamingSlidingWindowInferer`) instead of the whole volume, and so
            does a function whose layers cannot be seen.

    Where memory runs out the same labels come from `HaloStripInferer`, if the network allows it, which
    `memory_fallback` says.

    The result is logits (N, C, S, A, R); with flips, those of the mean probability. It carries the metadata of the
    input, so that `Invertd` can put it back on the grid of the file.
    """

    def __init__(
        self,
        flips: Sequence[int] = (),
        *,
        activation: Activation = "softmax",
        mirrored_pairs: Sequence[Sequence[int]] = (),
        trained_whole: bool = False,
        windows: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.flips, self.activation, self.mirrored_pairs = tuple(flips), activation, mirrored_pairs
        self.trained_whole, self.windows = trained_whole, windows
        self.memory_fallback = ""

    def suited_to(self, network: Network) -> WholeVolumeInferer | StreamingSlidingWindowInferer:
        """This inferer, or the sliding window that a network with instance statistics needs."""
        if self.trained_whole or self.windows is None or (is_known(network) and not instance_statistics(network)):
            return self
        return StreamingSlidingWindowInferer(
            self.windows, flips=self.flips, activation=self.activation, mirrored_pairs=self.mirrored_pairs
        )

    def stream(self, image: Tensor, network: Network, *args: object, **kwargs: object) -> Iterator[InferenceStep]:
        """Infer one image (channels, S, A, R): one step with everything.

        Raises:
            InputError: the network has instance statistics, and no `windows` are stated.
        """
        self.memory_fallback = ""
        suited = self.suited_to(network)
        if suited is not self:
            for step in suited.stream(image, network, *args, **kwargs):
                self.memory_fallback = suited.memory_fallback
                yield step
            return
        if not self.trained_whole:
            require_equivariance(network, what="whole-volume inference")
        averaged = Averaged([network], flips=self.flips, activation=self.activation, mirrored_pairs=self.mirrored_pairs)
        try:
            logits = averaged(image[None], *args, **kwargs)[0]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or 0 in self.flips:
                raise
        else:
            yield InferenceStep(1, 1, Slab(0, logits, shared=averaged.borrows))
            return
        release_memory(image.device)
        self.memory_fallback = "Memory ran out: the volume was computed in strips, which gives the same labels."
        strips = HaloStripInferer(
            32, exact=True, flips=self.flips, activation=self.activation, mirrored_pairs=self.mirrored_pairs
        )
        for step in strips.stream(image, network, *args, **kwargs):
            self.memory_fallback = strips.memory_fallback or self.memory_fallback
            yield step
