import pytest
import torch

from monai_unet.inferers import LocalisedInferer, StreamingSlidingWindowInferer


class Bright(torch.nn.Module):
    """Region: where the image is above a half."""

    def forward(self, image):
        return torch.cat([torch.full_like(image, 0.5), image], dim=1)


@pytest.fixture
def image():
    volume = torch.zeros(1, 1, 64, 48, 40)
    volume[:, :, 20:32, 16:28, 8:20] = 1.0
    return volume


def test_only_the_box_around_the_region_is_computed(image):
    seen = []

    def network(tiles):
        seen.append(tiles.shape)
        return Bright()(tiles)

    inferer = LocalisedInferer(StreamingSlidingWindowInferer((16, 16, 16)), Bright(), factor=4, margin=4)
    logits = inferer(image, network)
    assert inferer.box(image[0]) == (slice(16, 36), slice(12, 32), slice(4, 24))
    assert torch.equal(logits.argmax(1), (image[:, 0] > 0.5).long())
    assert sum(shape[0] for shape in seen) == 8


def test_the_box_stays_inside_the_image_and_keeps_its_smallest_size(image):
    inferer = LocalisedInferer(StreamingSlidingWindowInferer(16), Bright(), factor=4, margin=30, smallest=200)
    assert inferer.box(image[0]) == (slice(0, 64), slice(0, 48), slice(0, 40))
    inferer = LocalisedInferer(StreamingSlidingWindowInferer(16), Bright(), factor=4, margin=0, smallest=(32, 12, 26))
    sides = inferer.box(image[0])
    assert [side.stop - side.start for side in sides] == [32, 12, 26]
    assert all(side.start <= place for side, place in zip(sides, (20, 16, 8), strict=True))


def test_where_nothing_is_found_everything_is_computed(image):
    inferer = LocalisedInferer(StreamingSlidingWindowInferer(16), Bright(), factor=4)
    assert inferer.box(torch.zeros_like(image[0])) == (slice(0, 64), slice(0, 48), slice(0, 40))


def test_slabs_come_in_order_and_none_holds_the_whole_volume(image):
    inferer = LocalisedInferer(StreamingSlidingWindowInferer((8, 8, 8), overlap=0.0), Bright(), factor=4, margin=4)
    slabs = [step.slab for step in inferer.stream(image[0], Bright()) if step.slab is not None]
    ends = [slab.start + slab.scores.shape[1] for slab in slabs]
    assert [slab.start for slab in slabs] == [0, *ends[:-1]]
    assert ends[-1] == 64
    assert max(slab.scores.shape[1] for slab in slabs) <= 8
