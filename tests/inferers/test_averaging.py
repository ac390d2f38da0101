import torch

from monai_unet.inferers import Averaged
from monai_unet.networks import build_unet


@torch.no_grad()
def test_an_ensemble_is_the_mean_probability_of_its_members():
    members = [build_unet("unet", channels=[4, 8], out_channels=3, seed=seed).eval() for seed in (1, 2, 3)]
    image = torch.randn(2, 1, 8, 8, 8)
    expected = torch.stack([member(image).softmax(1) for member in members]).mean(0)
    torch.testing.assert_close(Averaged(members)(image).softmax(1), expected, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_combined_flips_are_all_eight_orientations():
    network = build_unet("unet", channels=[4, 8], out_channels=2).eval()
    image = torch.randn(1, 1, 8, 8, 8)
    subsets = [(), (2,), (3,), (4,), (2, 3), (2, 4), (3, 4), (2, 3, 4)]
    expected = torch.stack([network(image.flip(axes)).softmax(1).flip(axes) for axes in subsets]).mean(0)
    torch.testing.assert_close(
        Averaged([network], flips=[0, 1, 2], combined=True)(image).exp(), expected, atol=1e-6, rtol=1e-5
    )


def test_a_probability_of_zero_stays_a_finite_logit():
    certain = Averaged(
        [lambda x: torch.tensor([[200.0], [-200.0]]).T.reshape(1, 2, 1, 1, 1).repeat(x.shape[0], 1, 1, 1, 1)], flips=[2]
    )
    assert torch.isfinite(certain(torch.zeros(1, 1, 1, 1, 1))).all()


@torch.no_grad()
def test_paired_structures_change_places_in_the_mirrored_copy():
    """A network that calls whatever lies at low R class 1 and the rest class 2: mirrored back, both agree."""

    def by_place(x):
        logits = torch.full((x.shape[0], 3, *x.shape[2:]), -9.0)
        logits[:, 1, ..., :4], logits[:, 2, ..., 4:] = 9.0, 9.0
        return logits

    image = torch.zeros(1, 1, 4, 4, 8)
    paired = Averaged([by_place], flips=[2], mirrored_pairs=[[1, 2]])(image)
    torch.testing.assert_close(paired.argmax(1), by_place(image).argmax(1))
    assert float(paired.exp().amax(1).min()) > 0.99
    unpaired = Averaged([by_place], flips=[2])(image)
    assert float(unpaired.exp().amax(1).max()) < 0.51
