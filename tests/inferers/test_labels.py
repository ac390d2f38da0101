import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Spacing

from monai_unet.errors import InputError
from monai_unet.inferers.labels import Interpolation, LabelSink, RegionSink, argmax


@pytest.mark.parametrize("classes", [1, 2, 5, 300])
def test_argmax_equals_that_of_torch(classes):
    scores = torch.randn(classes, 5, 7, 11, generator=torch.Generator().manual_seed(0))
    labels = argmax(scores)
    assert labels.dtype == (np.uint8 if classes <= 256 else np.uint16)
    assert np.array_equal(labels, scores.argmax(0).numpy())


def test_the_lowest_class_wins_a_tie():
    assert argmax(torch.zeros(4, 2, 2, 2)).max() == 0


@pytest.mark.parametrize("slab", [1, 3, 100])
@pytest.mark.parametrize("spacing", [(2.0, 1.5, 1.5), (0.7, 1.0, 2.2), (1.0, 1.0, 1.0)])
def test_labels_on_the_native_grid_equal_interpolation_by_monai_then_argmax(slab, spacing):
    native = MetaTensor(torch.rand(1, 23, 19, 31), affine=torch.diag(torch.tensor([1.3, 0.9, 0.8, 1.0])))
    transform = Spacing(spacing, mode="bilinear")
    working = transform(native)
    coarse = torch.randn(1, 4, 5, 5, 5, generator=torch.Generator().manual_seed(1))
    logits = torch.nn.functional.interpolate(coarse, working.shape[1:], mode="trilinear")[0]
    pred = MetaTensor(logits, affine=working.affine, applied_operations=working.applied_operations)
    expected = transform.inverse(pred).argmax(0).numpy()
    step = np.linalg.solve(working.affine.numpy(), native.affine.numpy())
    sizes = zip(logits.shape[1:], native.shape[1:], strict=True)
    sink = LabelSink([Interpolation(step[i, i], step[i, 3], here, there) for i, (here, there) in enumerate(sizes)])
    for part in logits.split(slab, dim=1):
        sink.add(part)
    labels = sink.finish()
    assert labels.shape == expected.shape
    assert len(np.unique(expected)) > 2
    assert (labels == expected).mean() >= 0.9999


def test_scores_that_are_not_numbers_are_refused():
    scores = torch.zeros(2, 3, 3, 3)
    scores[1, 1, 1, 1] = float("nan")
    for sink in (LabelSink(), LabelSink([Interpolation(0.5, 0.0, 3, 6)] * 3)):
        with pytest.raises(InputError, match="no number"):
            sink.add(scores)


@pytest.mark.parametrize("slab", [1, 3, 100])
def test_regions_on_the_native_grid_equal_interpolation_by_monai_then_threshold(slab):
    native = MetaTensor(torch.rand(1, 23, 19, 31), affine=torch.diag(torch.tensor([1.3, 0.9, 0.8, 1.0])))
    transform = Spacing((2.0, 1.5, 1.5), mode="bilinear")
    working = transform(native)
    coarse = torch.randn(1, 3, 5, 5, 5, generator=torch.Generator().manual_seed(1))
    scores = torch.nn.functional.interpolate(coarse, working.shape[1:], mode="trilinear")[0].sigmoid()
    pred = MetaTensor(scores, affine=working.affine, applied_operations=working.applied_operations)
    expected = (transform.inverse(pred) >= 0.4).numpy()
    step = np.linalg.solve(working.affine.numpy(), native.affine.numpy())
    sizes = zip(scores.shape[1:], native.shape[1:], strict=True)
    zooms = [Interpolation(step[i, i], step[i, 3], here, there) for i, (here, there) in enumerate(sizes)]
    sink = RegionSink(zooms, threshold=0.4)
    for part in scores.split(slab, dim=1):
        sink.add(part)
    masks = sink.finish()
    assert masks.shape == expected.shape
    assert 0.1 < expected.mean() < 0.9
    assert (masks == expected).mean() >= 0.9999


def test_regions_without_interpolation_are_the_threshold():
    scores = torch.rand(2, 6, 4, 5, generator=torch.Generator().manual_seed(0))
    sink = RegionSink(threshold=0.5)
    for part in scores.split(4, dim=1):
        sink.add(part)
    assert np.array_equal(sink.finish(), (scores >= 0.5).numpy())
