"""Each loss against its formula written out, class weights, ignored voxels, deep supervision, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss
from scipy.spatial.distance import cdist

from monai_unet.errors import InputError
from monai_unet.training import build_loss
from monai_unet.training.losses import LOSSES, signed_distances

CLASSES = 3


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, CLASSES, 5, 6, generator=random)
    return logits, torch.randint(0, CLASSES, (2, 1, 5, 6), generator=random).float()


def probabilities(logits: torch.Tensor) -> np.ndarray:
    """Softmax in NumPy, (voxels, classes)."""
    e = np.exp(logits.double().movedim(1, -1).reshape(-1, CLASSES).numpy())
    return e / e.sum(1, keepdims=True)


def dice(p: np.ndarray, y: np.ndarray, alpha: float = 0.5, beta: float = 0.5) -> list[float]:
    """1 - TP / (TP + α FP + β FN) of each foreground class over all voxels; α = β = ½ is Dice."""
    losses = []
    for k in range(1, CLASSES):
        tp, fp, fn = (p[:, k] * (y == k)).sum(), (p[:, k] * (y != k)).sum(), ((1 - p[:, k]) * (y == k)).sum()
        losses.append(1 - (tp + 1e-5) / (tp + alpha * fp + beta * fn + 1e-5))
    return losses


def of_right_class(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    return p[np.arange(len(y)), y.astype(int)]


def expected(name: str, p: np.ndarray, y: np.ndarray) -> float:
    right = of_right_class(p, y)
    entropy, overlap = -np.log(right).mean(), float(np.mean(dice(p, y)))
    focal = ((1 - right) ** 2 * -np.log(right)).mean()
    onehot = 2 * (y[:, None] == np.arange(CLASSES)) - 1
    return {
        "cross_entropy": entropy,
        "dice": overlap,
        "dice_ce": overlap + entropy,
        "tversky": float(np.mean(dice(p, y, 0.3, 0.7))),
        "focal": focal,
        "dice_focal": overlap + focal,
        "denoising": ((2 * p - 1 - onehot) ** 2).mean(),
    }[name]


FORMULAS = [name for name in LOSSES if "boundary" not in name]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_loss_is_its_formula(name: str, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, labels = pair
    p, y = probabilities(logits), labels.flatten().numpy()
    assert float(build_loss(name)(logits, labels)) == pytest.approx(expected(name, p, y), rel=1e-4)


def test_the_default_is_monais_dice_and_cross_entropy_to_the_last_bit(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    theirs = DiceCELoss(to_onehot_y=True, softmax=True, batch=True, include_background=False)
    assert torch.equal(build_loss()(*pair), theirs(*pair))


def distances_by_hand(mask: np.ndarray) -> np.ndarray:
    """Signed distances from all pairs of voxels."""
    signed = np.zeros(mask.shape)
    inside, outside = np.argwhere(mask), np.argwhere(~mask)
    if len(inside) and len(outside):
        signed[~mask] = cdist(outside, inside).min(1)
        signed[mask] = 1 - cdist(inside, outside).min(1)
    return signed


def test_the_boundary_loss_weights_probabilities_by_the_signed_distance(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    logits, labels = pair
    labels[0] = 0
    labels[0, 0, 1:4, 2:5] = 1
    maps = np.stack([[distances_by_hand(label[0].numpy() == k) for k in range(1, CLASSES)] for label in labels])
    np.testing.assert_allclose(signed_distances(labels, CLASSES).numpy(), maps, atol=1e-5)
    assert maps.min() < 0  # inside the square
    expected = (logits.softmax(1)[:, 1:].numpy() * maps).mean()
    assert float(build_loss("boundary")(logits, labels)) == pytest.approx(expected, rel=1e-4)
    summed = build_loss("dice_ce_boundary", factor=0.5)(logits, labels)
    assert float(summed) == pytest.approx(float(build_loss("dice_ce")(logits, labels)) + 0.5 * expected, rel=1e-4)


def test_the_reference_itself_has_the_smallest_boundary_loss() -> None:
    labels = torch.zeros(1, 1, 9, 9)
    labels[..., 3:7, 2:6] = 1
    loss = build_loss("boundary")
    sure = 50 * torch.cat([1 - labels, labels], 1)
    best = float(loss(sure, labels))
    for axis in (2, 3):
        for shift in (-1, 1):
            assert float(loss(sure.roll(shift, axis), labels)) > best


@pytest.mark.parametrize("name", [n for n, row in LOSSES.items() if row.ignore_label])
def test_ignored_voxels_change_neither_loss_nor_gradient(name: str, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, labels = pair
    labels[:, :, 2:4] = 9
    loss, found = build_loss(name, ignore_label=9), []
    for noise in (0.0, 3.0):
        x = logits.clone()
        x[:, :, 2:4] += noise * torch.randn(2, CLASSES, 2, 6)
        x.requires_grad_()
        value = loss(x, labels)
        value.backward()
        assert x.grad is not None
        assert not x.grad[:, :, 2:4].any()
        found.append(float(value.detach()))
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    kept = (labels != 9).flatten().numpy()
    if name in FORMULAS:
        p, y = probabilities(logits)[kept], labels.flatten().numpy()[kept]
        assert found[0] == pytest.approx(expected(name, p, y), rel=1e-3)


def test_class_weights_weight_each_loss_as_its_formula_does(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits, labels = pair
    w = np.array([0.5, 1.0, 3.0])
    p, y = probabilities(logits), labels.flatten().numpy().astype(int)
    right = of_right_class(p, y)
    values = {
        name: float(build_loss(name, class_weights=w)(logits, labels)) for name in ("cross_entropy", "dice", "focal")
    }
    assert values["cross_entropy"] == pytest.approx((w[y] * -np.log(right)).sum() / w[y].sum(), rel=1e-4)
    assert values["dice"] == pytest.approx(np.average(dice(p, y), weights=w[1:]), rel=1e-4)
    assert values["focal"] == pytest.approx((w[y] * (1 - right) ** 2 * -np.log(right)).mean(), rel=1e-4)
    both = float(build_loss("dice_ce", class_weights=w)(logits, labels))
    assert both == pytest.approx(values["dice"] + values["cross_entropy"], rel=1e-5)


def test_deep_supervision_halves_the_weight_of_each_coarser_output() -> None:
    logits, labels = torch.randn(1, CLASSES, 8, 8), torch.randint(0, CLASSES, (1, 1, 8, 8)).float()
    coarse, coarsest = torch.randn(1, CLASSES, 4, 4), torch.randn(1, CLASSES, 2, 2)
    single = build_loss("cross_entropy")
    found = single([logits, coarse, coarsest], labels)
    # nearest-exact takes the voxel at the centre of each block: indices 1, 3, 5, 7 and 2, 6
    fine, middle = single(logits, labels), single(coarse, labels[..., 1::2, 1::2])
    low = single(coarsest, labels[..., 2::4, 2::4])
    assert float(found) == pytest.approx(float((fine + middle / 2 + low / 4) / 1.75), rel=1e-5)


def test_what_a_loss_does_not_have_is_refused_with_what_exists() -> None:
    with pytest.raises(InputError, match=r"unknown loss 'dise'; choose one of cross_entropy, dice, dice_ce"):
        build_loss("dise")
    with pytest.raises(InputError, match=r"tversky has no class_weights; cross_entropy, dice"):
        build_loss("tversky", class_weights=[1, 1])
    with pytest.raises(InputError, match=r"denoising has no ignore_label; cross_entropy"):
        build_loss("denoising", ignore_label=255)
    with pytest.raises(InputError, match=r"focal has no option 'alpha'; it has gamma"):
        build_loss("focal", alpha=1.0)
    for weights in ([1.0], [1.0, -1.0], [1.0, 0.0], [1.0, float("nan")]):
        with pytest.raises(InputError, match="one number of 0 or more per class"):
            build_loss("dice", class_weights=weights)
