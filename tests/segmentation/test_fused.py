"""The fused postprocessing is taken where it gives the labels of the stock transforms, and only there."""

from types import SimpleNamespace

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Activationsd, AsDiscreted, Compose, Invertd, Orientationd, Spacingd

from monai_unet.segmentation.fused_postprocessing import plan_fused

PREPROCESSING = Compose(
    [Orientationd(keys="image", axcodes="SAR", labels=None), Spacingd(keys="image", pixdim=(2.0, 1.5, 1.5))]
)


def _case():
    """An image in another orientation and spacing, preprocessed, and smooth scores of three channels on its grid."""
    generator = torch.Generator().manual_seed(0)
    affine = torch.tensor([[-0.9, 0, 0, 5], [0, -1.1, 0, 3], [0, 0, 1.4, -9], [0, 0, 0, 1.0]], dtype=torch.float64)
    image = MetaTensor(torch.rand(1, 24, 20, 17, generator=generator), affine=affine)
    data = PREPROCESSING({"image": image})
    coarse = torch.randn(1, 3, 4, 4, 4, generator=generator) * 3
    scores = torch.nn.functional.interpolate(coarse, data["image"].shape[1:], mode="trilinear")[0]
    return data, scores


def _parts(*steps):
    inverse = Invertd(keys="pred", transform=PREPROCESSING, orig_keys="image", nearest_interp=False, to_tensor=True)
    transforms = [inverse if step == "invert" else step for step in steps]
    return SimpleNamespace(preprocessing=PREPROCESSING, postprocess=Compose(transforms), image_key="image")


SUPPORTED = {
    "argmax": ["invert", AsDiscreted(keys="pred", argmax=True)],
    "softmax, argmax": [Activationsd(keys="pred", softmax=True), "invert", AsDiscreted(keys="pred", argmax=True)],
    "sigmoid, threshold": [Activationsd(keys="pred", sigmoid=True), "invert", AsDiscreted(keys="pred", threshold=0.4)],
    "threshold of logits": ["invert", AsDiscreted(keys="pred", threshold=0.0)],
}


@pytest.mark.parametrize("steps", SUPPORTED.values(), ids=SUPPORTED)
def test_slab_by_slab_gives_what_the_stock_transforms_give(steps):
    data, scores = _case()
    parts = _parts(*steps)
    fused = plan_fused(parts, data["image"])
    assert fused is not None
    sink = fused.sink()
    for slab in scores.split(3, dim=1):
        sink.add(fused.scores(slab))
    found = fused.finish(sink, data)
    pred = MetaTensor(scores, meta=dict(data["image"].meta), applied_operations=data["image"].applied_operations)
    expected = parts.postprocess({**data, "pred": pred})["pred"]
    assert found.shape == expected.shape
    assert 0 < float(expected.float().mean()) < expected.max()
    assert float((found == expected).float().mean()) >= 0.9999


UNSUPPORTED = {
    "one-hot": ["invert", AsDiscreted(keys="pred", argmax=True, to_onehot=3)],
    "nothing decided": [Activationsd(keys="pred", sigmoid=True), "invert"],
    "threshold before the inversion": [AsDiscreted(keys="pred", threshold=0.5), "invert"],
    "both activations": [
        Activationsd(keys="pred", sigmoid=True, softmax=True),
        "invert",
        AsDiscreted(keys="pred", argmax=True),
    ],
}


@pytest.mark.parametrize("steps", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_anything_else_takes_the_stock_path(steps):
    data, _ = _case()
    assert plan_fused(_parts(*steps), data["image"]) is None
