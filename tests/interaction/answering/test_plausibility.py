"""First answers that cannot be an object: they are exchanged for a smaller piece, and a sentence says so."""

import numpy as np
import pytest

from monai_unet.geometry import Grid
from monai_unet.interaction.answering.classical import ClassicalAnswerer
from monai_unet.interaction.answering.network import NetworkAnswerer
from monai_unet.interaction.answering.plausibility import MOST, ShownVolume, first_answer_doubt, is_implausible
from monai_unet.interaction.answering.prompted_mask import PromptedMask
from monai_unet.interaction.prompts import Prompt
from monai_unet.interaction.session import EditSession


def _grid(shape):
    affine = np.zeros((4, 4))
    affine[2, 0] = affine[1, 1] = affine[0, 2] = affine[3, 3] = 1
    return Grid(shape, affine)


def _head(shape=(60, 70, 64)):
    """An even ball of tissue in air, which it fills to a third, and a small bright lesion in it."""
    grid = np.indices(shape)
    middle = [n / 2 for n in shape]
    head = sum(((a - c) / (0.44 * n)) ** 2 for a, c, n in zip(grid, middle, shape, strict=True)) <= 1
    lesion = sum((a - c) ** 2 for a, c in zip(grid, (30, 40, 36), strict=True)) <= 36
    noise = np.random.default_rng(0).normal(0, 2, shape)
    return (100.0 * head + 60 * lesion + noise * head).astype(np.float32), head, _grid(shape)


def _point(grid, voxel, positive=True):
    return Prompt("point", positive, grid.to_world(np.array(voxel))[None])


def _answered(answerer, image, grid, prompts):
    empty = np.zeros(grid.shape, dtype=bool)
    answerer.start(image, grid)
    answer = answerer.answer(prompts, empty)
    empty[answer.box] = answer.mask
    return answer, empty


def test_a_share_is_of_what_the_image_shows():
    image, head, _ = _head()
    shown = ShownVolume(image)
    assert shown.share(int(head.sum()) // 2) == pytest.approx(0.5, abs=0.02)
    assert shown.share(image.size) == 1
    assert shown.share(image.size // 50) == 0  # next to nothing, whatever is shown


@pytest.mark.parametrize(("share", "words"), [(0.33, "a third of"), (0.5, "half of"), (0.9, "most of")])
def test_the_sentence_says_how_much_and_what_to_draw(share, words):
    assert is_implausible(share)
    assert words in first_answer_doubt(share)
    assert "box around the object or a line across it" in first_answer_doubt(share)
    assert "box around the object (J) or a line across it (H)" in first_answer_doubt(share, box_key="J", line_key="H")


@pytest.mark.parametrize("answerer", [ClassicalAnswerer, NetworkAnswerer])
def test_a_click_on_even_tissue_does_not_outline_half_of_the_head(answerer):
    image, head, grid = _head()
    answer, mask = _answered(answerer(), image, grid, [_point(grid, (30, 20, 32))])
    assert mask.sum() <= MOST * head.sum()
    assert mask[30, 20, 32]
    if answer.bounded:
        assert answer.bounded > MOST
        assert any("draw a box" in note for note in answer.notes)


def test_what_the_network_would_have_outlined_gives_way_to_the_classical_piece(monkeypatch):
    image, head, grid = _head()

    def everything(talk, *_, **__):
        talk.mask[...] = head
        talk._touched = tuple(slice(0, n) for n in grid.shape)

    monkeypatch.setattr(PromptedMask, "take", everything)
    prompts = [_point(grid, (30, 40, 36))]
    answer, mask = _answered(NetworkAnswerer(), image, grid, prompts)
    assert answer.bounded == pytest.approx(1, abs=0.02)
    expected = _answered(ClassicalAnswerer(), image, grid, prompts)[1]
    np.testing.assert_array_equal(mask, expected)
    assert 500 < mask.sum() < 2000  # the lesion has 925


def test_a_session_hands_on_what_was_bounded():
    """Half of the image is one even tissue: rays from a click meet nothing else within their reach."""
    image = np.random.default_rng(0).normal(100, 1, (40, 40, 40)).astype(np.float32)
    image[:20] += 400
    grid = _grid(image.shape)
    session, answerer = EditSession(image, grid), ClassicalAnswerer()
    answerer.start(image, grid)
    reply = session.question(session.add_object("lesion"), _point(grid, (10, 20, 20))).solve(answerer)
    assert reply.bounded > MOST
    assert first_answer_doubt(reply.bounded) in reply.notes
    assert reply.mask.sum() < MOST * image.size


def test_a_lesion_and_what_a_box_was_drawn_around_are_not_doubted():
    image, head, grid = _head()
    for answerer in (ClassicalAnswerer(), NetworkAnswerer()):
        answer, _ = _answered(answerer, image, grid, [_point(grid, (30, 40, 36))])
        assert not answer.bounded
        corners = np.argwhere(head)
        box = Prompt("box", True, grid.to_world(np.stack([corners.min(0), corners.max(0)])))
        assert not _answered(answerer, image, grid, [box])[0].bounded
