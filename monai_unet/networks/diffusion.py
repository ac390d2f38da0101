"""Segmentation by denoising: a diffusion U-Net that is shown the image and cleans a noisy mask.

Training (DDPM, Ho et al. 2020, arXiv:2006.11239): noise of a random strength is added to the one-hot mask, and the
network, given image, noisy mask and strength, names each voxel's class. Predicting the clean mask instead of the noise
(Diff-UNet, Xing et al. 2023, arXiv:2303.10326) lets every loss for logits train it. Masks are drawn fainter than the
noise (Chen 2023, arXiv:2301.10972): neighbouring voxels of a mask are so alike that it shows through noise of its own
strength, and a network that can copy the mask does not learn to look at the image. Inference (DDIM, Song et al. 2021,
arXiv:2010.02502) starts from pure noise and denoises in a few steps; each start gives another mask, and where the masks
disagree the answer is uncertain (Wolleb et al. 2022, arXiv:2112.03145).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from monai_unet.errors import InputError
from monai_unet.networks.shapes import check_input, crop, pad_to_multiple

NOISE_LEVELS = 1000


@dataclass(frozen=True, eq=False)
class MaskSamples:
    """What repeated denoising says about one batch of images.

    Attributes:
        masks: class probabilities (k, N, C, *spatial), one set per start.
        mean: their mean (N, C, *spatial).
        uncertainty: entropy of the mean, 0 (all masks agree) to 1 (all classes equally likely), (N, 1, *spatial).
    """

    masks: Tensor
    mean: Tensor
    uncertainty: Tensor


class DiffusionUNet(nn.Module):
    """Image-conditioned mask denoising with MONAI's diffusion U-Net and schedulers.

    In training mode `forward(image, labels)` returns logits of the clean mask behind a randomly noised one: give them
    and the labels to any loss of `build_loss`. In evaluation `forward(image)` returns log probabilities, the mean of
    `samples` masks, so that inferers use it as any other network; the noise depends on `seed` alone.

    Args:
        spatial_dims, in_channels, out_channels: as for every network; at least 2 classes.
        channels: feature channels of each level, full resolution first.
        attention: whether each level has self-attention.
        blocks: residual blocks per level.
        mask_scale: strength of a mask against noise of strength 1; above 0, at most 1 (plain DDPM).
        samples, steps: masks per image, and denoising steps for each; a case costs `samples` × `steps` passes.
        seed: of the noise in evaluation.
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        in_channels: int = 1,
        out_channels: int = 2,
        *,
        channels: Sequence[int] = (16, 32, 64),
        attention: Sequence[bool] = (False, False, True),
        blocks: int = 1,
        mask_scale: float = 0.1,
        samples: int = 3,
        steps: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if out_channels < 2:
            raise InputError(f"diffusion_unet needs at least 2 classes (with the background), got {out_channels}")
        if samples < 1 or not 1 <= steps <= NOISE_LEVELS:
            raise InputError(f"samples must be positive and steps 1 to {NOISE_LEVELS}, got {samples} and {steps}")
        if not 0 < mask_scale <= 1:
            raise InputError(f"mask_scale must be above 0 and at most 1, got {mask_scale}")
        self.spatial_dims, self.in_channels, self.out_channels = spatial_dims, in_channels, out_channels
        self.mask_scale = mask_scale
        self.samples, self.steps, self.seed = samples, steps, seed
        self.total_stride = [2 ** (len(channels) - 1)] * spatial_dims
        self.denoiser = DiffusionModelUNet(
            spatial_dims=spatial_dims,
            in_channels=in_channels + out_channels,
            out_channels=out_channels,
            channels=tuple(channels),
            attention_levels=tuple(attention),
            num_res_blocks=blocks,
            norm_num_groups=8,
            num_head_channels=16,
            use_flash_attention=True,
        )
        self.forward_process = DDPMScheduler(NOISE_LEVELS, prediction_type="sample")

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        """Training: logits for (image, labels (N, 1, *spatial)); evaluation: log probabilities for the image alone.

        Raises:
            InputError: training without labels.
        """
        check_input(image, self.spatial_dims, self.in_channels)
        if not self.training:
            return self.sample(image).mean.clamp_min(torch.finfo(image.dtype).tiny).log()
        if labels is None:
            raise InputError(
                "diffusion_unet trains on image and label: set the trainer's prepare_batch (training_batch)."
            )
        size = list(image.shape[2:])
        image, labels = (pad_to_multiple(x, self.total_stride) for x in (image, labels))
        mask = self.mask_scale * one_hot_mask(labels, self.out_channels).to(image.dtype)
        level = torch.randint(0, NOISE_LEVELS, (len(image),), device=image.device)
        noisy = self.forward_process.add_noise(mask, torch.randn_like(mask), level)
        return crop(self._denoised(noisy, image, level), size)

    @torch.no_grad()
    def sample(
        self, image: Tensor, *, samples: int | None = None, steps: int | None = None, seed: int | None = None
    ) -> MaskSamples:
        """Masks for a batch of images, and what they agree on; arguments default to those of the network.

        Images (N, C, *spatial), masks of 0 and 1 (N, 1, *spatial).
        """
        check_input(image, self.spatial_dims, self.in_channels)
        samples, steps = samples or self.samples, steps or self.steps
        size, batch = list(image.shape[2:]), len(image)
        image = pad_to_multiple(image, self.total_stride).repeat(samples, *[1] * (image.dim() - 1))
        generator = torch.Generator().manual_seed(self.seed if seed is None else seed)
        shape = (len(image), self.out_channels, *image.shape[2:])
        mask = torch.randn(shape, generator=generator).to(image)
        scheduler = ddim(steps)
        probabilities = mask
        for level in scheduler.timesteps:
            at = level.to(image.device).expand(len(image))
            probabilities = self._denoised(mask, image, at).softmax(1)
            mask, _ = scheduler.step(self.mask_scale * (2 * probabilities - 1), int(level), mask)
        masks = crop(probabilities, size).unflatten(0, (samples, batch))
        mean = masks.mean(0)
        entropy = -torch.special.xlogy(mean, mean).sum(1, keepdim=True) / log(self.out_channels)
        return MaskSamples(masks, mean, entropy.clamp(0, 1))

    def _denoised(self, noisy: Tensor, image: Tensor, level: Tensor) -> Tensor:
        """Logits of the clean mask; the network sees the noisy one with variance 1 at every noise level."""
        kept = self.forward_process.alphas_cumprod.to(noisy)[level]
        strength = (self.mask_scale**2 * kept + 1 - kept).sqrt().reshape(-1, *[1] * self.spatial_dims, 1)
        return self.denoiser(torch.cat([noisy / strength, image], dim=1), level)


def ddim(steps: int) -> DDIMScheduler:
    """MONAI's deterministic DDIM scheduler that visits `steps` noise levels, from the highest to 0.

    `step` goes down by `NOISE_LEVELS // steps`, whereas `set_timesteps` spreads the levels so that neighbours lie
    further apart than that; levels are set here so that each step begins where the last one ended.
    """
    scheduler = DDIMScheduler(NOISE_LEVELS, prediction_type="sample")
    scheduler.set_timesteps(steps)
    stride = NOISE_LEVELS // steps
    scheduler.timesteps = torch.arange(steps * stride - 1, -1, -stride)
    return scheduler


def one_hot_mask(labels: Tensor, classes: int) -> Tensor:
    """Class indices (N, 1, *spatial) → (N, classes, *spatial), 1 for the voxel's class and -1 elsewhere."""
    return 2 * F.one_hot(labels[:, 0].long(), classes).movedim(-1, 1) - 1
