"""The diffusion network: noising and denoising against the papers' formulas, sampling, and training through MONAI."""

from __future__ import annotations

import pytest
import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.inferers import SimpleInferer

from monai_unet.errors import InputError
from monai_unet.networks import DiffusionUNet, build_unet
from monai_unet.networks.diffusion import NOISE_LEVELS, ddim, one_hot_mask
from monai_unet.training import build_loss
from monai_unet.training.batch import training_batch

TINY = {"channels": (8, 16), "attention": (False, True)}


def case(size: tuple[int, int] = (12, 14)) -> tuple[torch.Tensor, torch.Tensor]:
    label = torch.zeros(2, 1, *size)
    label[..., 3:8, 4:9] = 1
    return label + 0.1 * torch.randn(label.shape, generator=torch.Generator().manual_seed(0)), label


def betas() -> torch.Tensor:
    """The linear schedule of Ho et al. 2020."""
    return torch.linspace(1e-4, 0.02, NOISE_LEVELS)


def test_noise_is_added_as_in_the_ddpm_paper() -> None:
    """x_t = sqrt(ᾱ_t) x_0 + sqrt(1 - ᾱ_t) ε."""
    network = build_unet("diffusion_unet", spatial_dims=2, **TINY)
    clean, noise = torch.randn(1, 2, 4, 4), torch.randn(1, 2, 4, 4)
    kept = torch.cumprod(1 - betas(), 0)[400]
    noisy = network.forward_process.add_noise(clean, noise, torch.tensor([400]))
    torch.testing.assert_close(noisy, kept.sqrt() * clean + (1 - kept).sqrt() * noise)


@pytest.mark.parametrize("mask_scale", [1.0, 0.1])
def test_the_network_sees_a_faint_mask_at_one_strength_at_every_noise_level(
    mask_scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x_t of the mask times its scale, over its standard deviation (Chen 2023), in front of the image."""
    network = build_unet("diffusion_unet", spatial_dims=2, mask_scale=mask_scale, **TINY)
    image, label = case()
    noise, level = torch.randn(2, 2, 12, 14), torch.tensor([3, 870])
    monkeypatch.setattr(torch, "randn_like", lambda _: noise)
    monkeypatch.setattr(torch, "randint", lambda *_, **__: level)
    seen = []
    network.denoiser.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    network(image, label)
    kept = torch.cumprod(1 - betas(), 0)[level].reshape(2, 1, 1, 1)
    noisy = kept.sqrt() * mask_scale * one_hot_mask(label, 2) + (1 - kept).sqrt() * noise
    expected = noisy / (mask_scale**2 * kept + 1 - kept).sqrt()
    torch.testing.assert_close(seen[0][0], torch.cat([expected, image], dim=1))
    assert torch.equal(seen[0][1], level)
    network.eval().sample(torch.zeros(1, 1, 64, 64), samples=4, steps=2)
    for inputs in seen[1:]:
        assert inputs[0][:, :2].std() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("steps", [1, 3, 4, 10])
def test_each_denoising_step_is_that_of_the_ddim_paper_and_begins_where_the_last_ended(steps: int) -> None:
    """x_s = sqrt(ᾱ_s) x̂_0 + sqrt(1 - ᾱ_s) (x_t - sqrt(ᾱ_t) x̂_0) / sqrt(1 - ᾱ_t), down to ᾱ = 1."""
    kept = torch.cumprod(1 - betas(), 0)
    scheduler = ddim(steps)
    levels = [int(level) for level in scheduler.timesteps]
    assert len(levels) == steps
    x = torch.randn(1, 2, 4, 4)
    expected = x
    for at, to in zip(levels, [*levels[1:], None], strict=True):
        clean = torch.randn(1, 2, 4, 4).clamp(-1, 1)
        low = torch.tensor(1.0) if to is None else kept[to]
        direction = (expected - kept[at].sqrt() * clean) / (1 - kept[at]).sqrt()
        expected = low.sqrt() * clean + (1 - low).sqrt() * direction
        x, _ = scheduler.step(clean, at, x)
        torch.testing.assert_close(x, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(x, clean)


def test_samples_differ_their_mean_is_a_distribution_and_the_seed_decides() -> None:
    network = build_unet("diffusion_unet", spatial_dims=2, out_channels=3, **TINY).eval()
    torch.nn.init.normal_(network.denoiser.out[-1].conv.weight, std=0.5)  # MONAI starts it at 0
    image, _ = case()
    found = network.sample(image, samples=4, steps=2, seed=5)
    assert found.masks.shape == (4, 2, 3, 12, 14)
    assert not torch.allclose(found.masks[0], found.masks[1])
    torch.testing.assert_close(found.mean, found.masks.mean(0))
    torch.testing.assert_close(found.mean.sum(1), torch.ones(2, 12, 14))
    again, other = network.sample(image, samples=4, steps=2, seed=5), network.sample(image, samples=4, steps=2, seed=6)
    assert torch.equal(found.masks, again.masks)
    assert not torch.equal(found.masks, other.masks)
    logits = network(image)
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(2, 12, 14))


def test_uncertainty_is_one_where_all_classes_are_equally_likely_and_zero_where_all_masks_agree() -> None:
    network = build_unet("diffusion_unet", spatial_dims=2, out_channels=3, **TINY).eval()
    image, _ = case()
    torch.testing.assert_close(network.sample(image).uncertainty, torch.ones(2, 1, 12, 14))  # output starts at 0
    network.denoiser.out[-1].conv.bias.data[1] = 100.0
    torch.testing.assert_close(network.sample(image).uncertainty, torch.zeros(2, 1, 12, 14))


def test_a_mask_is_one_for_its_class_and_minus_one_elsewhere() -> None:
    mask = one_hot_mask(torch.tensor([[[[0, 2]]]]), 3)
    assert mask[0, :, 0].T.tolist() == [[1, -1, -1], [-1, -1, 1]]


def test_it_trains_and_is_validated_by_monais_engines() -> None:
    torch.manual_seed(0)
    network = build_unet("diffusion_unet", spatial_dims=2, samples=1, steps=2, **TINY)
    image, label = case((16, 16))
    loader = [{"image": image, "label": label}]
    losses = []
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=40,
        train_data_loader=loader,
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), 5e-3),
        loss_function=build_loss("dice_ce"),
        inferer=SimpleInferer(),
        prepare_batch=training_batch(network),
        epoch_length=1,
        decollate=False,
    )
    trainer.add_event_handler("ITERATION_COMPLETED", lambda e: losses.append(e.state.output["loss"]))
    trainer.run()
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"), val_data_loader=loader, network=network, epoch_length=1, decollate=False
    )
    evaluator.run()
    found = evaluator.state.output["pred"].argmax(1, keepdim=True)
    assert 2 * (found * label).sum() / (found.sum() + label.sum()) > 0.8


def test_training_without_the_label_says_what_to_set() -> None:
    with pytest.raises(InputError, match=r"prepare_batch \(training_batch\)"):
        build_unet("diffusion_unet", spatial_dims=2, **TINY)(case()[0])


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2 classes"):
        DiffusionUNet(2, out_channels=1)
    with pytest.raises(InputError, match="steps 1 to 1000"):
        DiffusionUNet(2, steps=0)
    with pytest.raises(InputError, match="mask_scale must be above 0 and at most 1, got 0"):
        DiffusionUNet(2, mask_scale=0)
