import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from segmentation_cases import balanced

from monai_unet.inferers import StreamingSlidingWindowInferer
from monai_unet.inferers.sliding_window import batches_by_plane, even_batches, plan_windows
from monai_unet.inferers.stock import as_streaming
from monai_unet.networks import build_unet


@pytest.fixture(scope="module")
def network():
    return balanced(build_unet("unet", out_channels=3, channels=[4, 8, 8]), channels=1).eval()


CASES = {
    "gaussian": ((40, 33, 25), {"roi_size": (16, 16, 16), "mode": "gaussian", "overlap": 0.5}),
    "constant": ((40, 33, 25), {"roi_size": (24, 16, 12), "mode": "constant", "overlap": 0.25}),
    "smaller than the window": ((9, 30, 14), {"roi_size": (16, 16, 16), "mode": "gaussian", "overlap": 0.5}),
    "overlap per axis, whole axis": (
        (40, 20, 25),
        {"roi_size": (16, -1, 20), "mode": "gaussian", "overlap": (0.6, 0, 0.3)},
    ),
    "one slice": ((1, 30, 30), {"roi_size": (16, 16, 16), "mode": "gaussian", "overlap": 0.5}),
}


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_logits_equal_those_of_monai(network, case):
    shape, options = CASES[case]
    image = torch.randn(2, 1, *shape, generator=torch.Generator().manual_seed(1))
    expected = SlidingWindowInferer(sw_batch_size=2, **options)(image, network)
    for batch in (1, 3):
        logits = StreamingSlidingWindowInferer(sw_batch_size=batch, **options)(image, network)
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_stock_inferer_is_streamed_with_the_same_result(network):
    image = torch.randn(1, 1, 30, 30, 20, generator=torch.Generator().manual_seed(2))
    stock = SlidingWindowInferer((16, 16, 16), sw_batch_size=4, overlap=0.4, mode="gaussian", sigma_scale=0.2)
    torch.testing.assert_close(as_streaming(stock)(image, network), stock(image, network), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5])
def test_mirrored_windows_cover_every_voxel_and_are_their_own_mirror_images(overlap):
    for size in range(8, 60):
        windows = plan_windows((size, 9), (8, 8), overlap, mirrored=[0])
        spans = [(window[0].start, window[0].stop) for window in windows]
        assert sorted(spans) == sorted((size - stop, size - start) for start, stop in spans)
        assert {voxel for span in spans for voxel in range(*span)} == set(range(size))
        plain = plan_windows((size, 9), (8, 8), overlap)
        assert len(windows) <= len(plain) + 2  # one more start, two windows along the other axis
        assert {window[1].start for window in windows} == {window[1].start for window in plain}


@pytest.mark.parametrize("shape", [(40, 33, 25), (9, 30, 14), (17, 13, 11)])
@torch.no_grad()
def test_a_mirrored_image_gets_the_mirrored_answer(shape):
    instance = balanced(build_unet("unet", out_channels=3, norm="instance", channels=[4, 8, 8]), channels=1).eval()
    image = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(1))
    for axis in range(3):
        inferer = StreamingSlidingWindowInferer((16, 16, 16), flips=[axis])
        mirrored = inferer(image.flip(axis + 2), instance).flip(axis + 2)
        torch.testing.assert_close(mirrored, inferer(image, instance), atol=1e-4, rtol=1e-4)
    plain = StreamingSlidingWindowInferer((16, 16, 16))
    assert not torch.allclose(plain(image.flip(4), instance).flip(4), plain(image, instance), atol=1e-3)


def test_each_plane_is_handed_out_once_in_order_and_early():
    inferer = StreamingSlidingWindowInferer((8, 8, 8), overlap=0.5)
    steps = list(inferer.stream(torch.rand(1, 40, 12, 12), lambda tiles: tiles.repeat(1, 2, 1, 1, 1)))
    slabs = [step.slab for step in steps if step.slab is not None]
    assert len(slabs) > 3
    assert [slab.start for slab in slabs] == [
        0,
        *torch.cumsum(torch.tensor([s.scores.shape[1] for s in slabs]), 0)[:-1],
    ]
    assert sum(slab.scores.shape[1] for slab in slabs) == 40
    assert [step.done for step in steps] == list(range(steps[-1].total + 1))


def test_the_metadata_of_the_input_is_kept(network):
    image = MetaTensor(torch.rand(1, 1, 16, 16, 16), affine=torch.diag(torch.tensor([2.0, 3, 4, 1])))
    with torch.no_grad():
        logits = StreamingSlidingWindowInferer((16, 16, 16))(image, network)
    assert isinstance(logits, MetaTensor)
    assert torch.equal(logits.affine, image.affine)


def test_a_network_on_the_cpu_never_gets_one_window_alone_where_there_are_two():
    sizes = []

    def network(tiles):
        sizes.append(tiles.shape[0])
        return tiles

    for planes in range(8, 40, 4):
        StreamingSlidingWindowInferer((8, 8, 8), sw_batch_size=1)(torch.rand(1, 1, planes, 8, 8), network)
    assert min(sizes[1:]) == 2
    for count in range(2, 12):
        windows = plan_windows((8 * count,), (8,), 0.0)
        for size in (2, 3, 4):
            batches = even_batches(windows, size)
            assert [w for batch in batches for w in batch] == windows
            assert min(map(len, batches)) > 1
            assert max(map(len, batches)) <= max(3, size)


def test_windows_without_any_voxel_above_the_threshold_are_not_computed():
    computed = []

    def network(tiles):
        computed.append(tiles.shape[0])
        return torch.cat([torch.zeros_like(tiles), tiles], dim=1)

    image = torch.zeros(1, 1, 64, 8, 8)
    image[:, :, 30:34] = 1.0
    logits = StreamingSlidingWindowInferer((8, 8, 8), overlap=0.0, skip_below=0.0)(image, network)
    assert sum(computed) == 2
    assert torch.equal(logits.argmax(1), (image[:, 0] > 0).long())


def test_a_batch_that_does_not_fit_is_halved_with_the_same_result(network):
    def small_memory(tiles):
        if tiles.shape[0] > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return network(tiles)

    image = torch.randn(1, 1, 40, 16, 16, generator=torch.Generator().manual_seed(3))
    inferer = StreamingSlidingWindowInferer((16, 16, 16), sw_batch_size=4)
    with torch.no_grad():
        smaller_steps = inferer(image, small_memory)
        assert "Memory ran out" in inferer.memory_fallback
        torch.testing.assert_close(smaller_steps, inferer(image, network))
    assert inferer.memory_fallback == ""


def test_an_error_that_is_not_about_memory_is_not_swallowed():
    def broken(tiles):
        raise RuntimeError("expected 3 channels")

    with pytest.raises(RuntimeError, match="expected 3 channels"):
        StreamingSlidingWindowInferer((8, 8, 8))(torch.rand(1, 1, 16, 16, 16), broken)


@pytest.mark.parametrize("overlap", [1.0, -0.1])
def test_an_impossible_overlap_is_refused(overlap):
    with pytest.raises(ValueError, match="overlap"):
        StreamingSlidingWindowInferer((8, 8, 8), overlap=overlap)


def test_what_is_kept_of_a_slab_is_not_overwritten_by_the_next_step():
    image = torch.rand(1, 24, 8, 8, generator=torch.Generator().manual_seed(4))
    inferer = StreamingSlidingWindowInferer((8, 8, 8), overlap=0.5)
    slabs = [step.slab for step in inferer.stream(image, lambda tiles: tiles) if step.slab is not None]
    assert all(slab.shared for slab in slabs)
    kept = [step.slab.owned for step in inferer.stream(image, lambda tiles: tiles) if step.slab is not None]
    torch.testing.assert_close(torch.cat(kept, dim=1), image)


def test_no_more_planes_are_open_than_a_window_has():
    windows = plan_windows((40, 30, 30), (16, 16, 16), 0.5)
    for size in (1, 2, 3, 4):
        batches = batches_by_plane(windows, size)
        assert [w for batch in batches for w in batch] == windows
        assert all(len({window[0].start for window in batch}) == 1 for batch in batches)
        assert min(map(len, batches)) >= min(size, 2)
