"""The editor's shipped weights: what one click finds, what is obeyed, and what happens to odd images."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from monai_unet.bundle_format.catalogue import find_bundle
from monai_unet.errors import InputError
from monai_unet.geometry import Grid, grid_of
from monai_unet.interaction.answering.guidance import CHANNELS
from monai_unet.interaction.answering.network import NetworkAnswerer
from monai_unet.interaction.answering.prompted_mask import PromptedMask, WindowScales
from monai_unet.interaction.prompt_file import answer_file, read_prompts
from monai_unet.interaction.prompts import Prompt
from monai_unet.interaction.simulated_user import next_click
from monai_unet.io import read_volume
from monai_unet.segmentation.segmenter import Segmenter


def _grid(shape, spacing=(1.0, 1.0, 1.0)):
    """A grid in the working frame (S, A, R): the first index grows upwards, the last to the patient's right."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1
    return Grid(tuple(shape), affine)


def _scene(shape=(64, 72, 80), centre=(30, 36, 44), radii=(10, 12, 14), spacing=(1.0, 1.0, 1.0), contrast=1.0):
    """An even ellipsoid in an even, noisy surrounding."""
    grid = np.indices(shape)
    reference = sum(((a - c) / r) ** 2 for a, c, r in zip(grid, centre, radii, strict=True)) <= 1
    noise = np.random.default_rng(0).normal(0, 0.1, shape)
    return (100 + 40 * (contrast * reference + noise)).astype(np.float32), reference, _grid(shape, spacing)


def _point(grid, voxel, positive=True):
    world = grid.affine[:3, :3] @ np.asarray(voxel, dtype=float) + grid.affine[:3, 3]
    return Prompt("point", positive, world[None])


def _dice(one, two):
    return 2 * (one & two).sum() / (one.sum() + two.sum())


def _mask(answer, current):
    mask = current.copy()
    mask[answer.box] = answer.mask
    return mask


@pytest.fixture(scope="module")
def answerer():
    return NetworkAnswerer("lesion_editor")


def _answer(answerer, image, grid, prompts, current=None):
    current = np.zeros(grid.shape, dtype=bool) if current is None else current
    answerer.start(image, grid)
    return _mask(answerer.answer(prompts, current), current)


def _after_clicks(answerer, image, reference, grid, clicks=5):
    """Dice after each click of a simulated user."""
    mask, prompts, dice = np.zeros(grid.shape, dtype=bool), [], []
    answerer.start(image, grid)
    for _ in range(clicks):
        mark = next_click(mask, reference, grid.spacing)
        prompts.append(_point(grid, mark.positions[0], mark.positive))
        mask = _mask(answerer.answer(prompts, mask), mask)
        dice.append(_dice(mask, reference))
    return dice


@pytest.mark.parametrize("contrast", [1.0, -1.0])
def test_clicks_improve_the_outline_of_an_even_lesion(answerer, contrast):
    dice = _after_clicks(answerer, *_scene(contrast=contrast))
    assert dice[0] >= 0.4
    assert dice[-1] >= 0.6
    assert np.diff(dice).min() > -0.05


@pytest.mark.parametrize(
    ("shape", "centre", "radii", "thickness", "first", "fifth"),
    [
        ((20, 90, 90), (10, 44, 46), (4.2, 20, 22), 5.0, 0.7, 0.78),
        # five slices of the object: the first answer misses the outermost ones
        ((12, 90, 90), (6, 44, 46), (2.2, 20, 22), 10.0, 0.4, 0.75),
    ],
)
def test_slices_five_and_ten_times_as_thick_as_wide(answerer, shape, centre, radii, thickness, first, fifth):
    dice = _after_clicks(answerer, *_scene(shape, centre, radii, (thickness, 1.0, 1.0)))
    assert dice[0] >= first
    assert dice[-1] >= fifth


def test_not_all_scales_are_tried_and_the_taken_one_is_better_than_its_neighbours(answerer, monkeypatch):
    image, _, grid = _scene((300, 300, 300), (150, 150, 150), (20, 20, 20))
    looks = []
    worth = PromptedMask.worth
    monkeypatch.setattr(
        PromptedMask, "worth", lambda talk, look: looks.append((look, worth(talk, look))) or looks[-1][1]
    )
    answerer.start(image, grid)
    answerer.answer([_point(grid, (150, 150, 150))], np.zeros(grid.shape, dtype=bool))
    tried = dict(sorted((look.window.step[0], value) for look, value in looks))
    steps = [field / answerer.zoom.size for field in answerer.zoom.first_mm]
    places = [int(np.argmin(np.abs(np.log(steps) - np.log(step)))) for step in tried]
    values = list(tried.values())
    assert 3 <= len(places) < 7
    best = int(np.argmax(values))
    neighbours = {place for place in (places[best] - 1, places[best] + 1) if 0 <= place < 7}
    assert neighbours <= set(places)


def test_across_thick_slices_a_window_is_judged_by_its_field_within_the_slice():
    """Five of these windows are 160 mm high; what the click suggests is compared with their width."""
    image, _, grid = _scene((20, 200, 200), (10, 100, 100), (4, 24, 24), (5.0, 1.0, 1.0))
    talk = PromptedMask(image, grid, [_point(grid, (10, 100, 100))], np.zeros(grid.shape, dtype=bool), WindowScales())
    windows = talk.first_windows()
    off = [talk.unlikeliness(window) for window in windows]
    assert len(set(np.round(off, 2))) == len(windows)
    assert 0 < int(np.argmin(off)) < len(windows) - 1


def test_what_is_marked_is_obeyed_to_the_voxel(answerer):
    image, _, grid = _scene()
    mask = np.zeros(grid.shape, dtype=bool)
    prompts = []
    random = np.random.default_rng(4)
    answerer.start(image, grid)
    for number in range(6):
        prompts.append(_point(grid, random.integers(0, grid.shape), positive=number % 2 == 0))
        mask = _mask(answerer.answer(prompts, mask), mask)
        for prompt in prompts:
            voxel = tuple(prompt.voxels(grid)[0].round().astype(int))
            assert mask[voxel] == prompt.positive


def test_a_contradiction_goes_to_the_newest_and_is_told(answerer):
    image, reference, grid = _scene()
    answerer.start(image, grid)
    answer = answerer.answer([_point(grid, (30, 36, 44)), _point(grid, (30, 36, 44), False)], reference)
    assert not _mask(answer, reference)[30, 36, 44]
    assert any("contradict" in note for note in answer.notes)


def test_outside_the_box_of_the_answer_nothing_is_asked_for(answerer):
    image, reference, grid = _scene()
    cut = reference.copy()
    cut[:, :, 50:] = False
    answerer.start(image, grid)
    answer = answerer.answer([_point(grid, (30, 36, 54))], cut)
    assert all(0 <= s.start < s.stop <= n for s, n in zip(answer.box, grid.shape, strict=True))
    assert answer.mask.shape == tuple(s.stop - s.start for s in answer.box)
    assert answer.mask.dtype == bool
    assert _dice(_mask(answer, cut), reference) >= _dice(cut, reference) - 0.02


@pytest.mark.parametrize("positive", [True, False])
def test_a_correction_goes_one_way(answerer, positive):
    """One that includes takes nothing away, not even where the network sees no object; one that excludes adds none."""
    image, reference, grid = _scene()
    current = np.roll(reference, 5, axis=2)
    wrong = np.argwhere(reference & ~current if positive else current & ~reference)
    answerer.start(image, grid)
    mask = _mask(answerer.answer([_point(grid, wrong[len(wrong) // 2], positive)], current), current)
    added, removed = (mask & ~current).sum(), (current & ~mask).sum()
    assert (added > 0, removed > 0) == (positive, not positive)


def test_a_scribble_begins_an_object_that_holds_it(answerer):
    image, reference, grid = _scene()
    world = np.array([[30.0, 36, 38], [30, 36, 50]]) @ grid.affine[:3, :3].T
    mask = _answer(answerer, image, grid, [Prompt("scribble", True, world)])
    assert mask[30, 36, 38:51].all()
    assert mask[reference].sum() > 5 * mask[~reference].sum()


@pytest.mark.parametrize("kind", ["box", "lasso"])
def test_a_box_or_lasso_begins_an_object(answerer, kind):
    image, reference, grid = _scene()
    voxels = {
        "box": [[20, 24, 30], [40, 48, 58]],
        "lasso": [[30, 24, 30], [30, 24, 58], [30, 48, 58], [30, 48, 30]],
    }[kind]
    world = np.array(voxels, dtype=float) @ grid.affine[:3, :3].T
    prompt = Prompt(kind, True, world, axis=0 if kind == "lasso" else None)
    assert _dice(_answer(answerer, image, grid, [prompt]), reference) >= 0.5


def test_a_tiny_image_is_answered(answerer):
    image = np.zeros((5, 5, 5), np.float32)
    image[1:4, 1:4, 1:4] = 1
    mask = _answer(answerer, image, _grid((5, 5, 5)), [_point(_grid((5, 5, 5)), (2, 2, 2))])
    assert mask.shape == (5, 5, 5)
    assert mask[2, 2, 2]


def test_voxels_that_are_no_number_count_as_the_median(answerer):
    image, _, grid = _scene()
    holes = np.random.default_rng(1).random(image.shape) < 0.01
    filled = np.where(holes, np.median(image[~holes]), image)
    image[holes] = np.nan
    prompts = [_point(grid, (30, 36, 44))]
    np.testing.assert_array_equal(_answer(answerer, image, grid, prompts), _answer(answerer, filled, grid, prompts))


def test_a_full_mask_and_a_constant_image_are_answered(answerer):
    grid = _grid((20, 20, 20))
    full = np.ones(grid.shape, dtype=bool)
    mask = _answer(answerer, np.zeros(grid.shape, np.int16), grid, [_point(grid, (3, 3, 3), False)], full)
    assert not mask[3, 3, 3]


def test_a_prompt_outside_the_image_is_refused_in_a_sentence(answerer):
    image, _, grid = _scene()
    answerer.start(image, grid)
    with pytest.raises(InputError, match="outside the image"):
        answerer.answer([_point(grid, (200, 3, 3))], np.zeros(grid.shape, dtype=bool))


def test_only_an_editor_answers_and_an_editor_does_not_segment():
    with pytest.raises(InputError, match="answers no prompts"):
        NetworkAnswerer("hippocampus_mri")
    with pytest.raises(InputError, match="does not segment"):
        Segmenter.load("lesion_editor")


def test_the_bundle_answers_a_file_of_prompts(answerer, tmp_path):
    image, _, grid = _scene()
    nib.save(nib.Nifti1Image(np.ascontiguousarray(image.transpose(2, 1, 0)), np.eye(4)), tmp_path / "image.nii.gz")
    prompts = [{"kind": "point", "positive": True, "world": [[44, 36, 30]]}]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    answer_file(tmp_path / "image.nii.gz", tmp_path / "prompts.json", tmp_path / "out.nii.gz")
    found = read_volume(tmp_path / "out.nii.gz")
    assert grid_of(found).matches(grid)
    expected = _answer(answerer, image, grid, [_point(grid, (30, 36, 44))])
    np.testing.assert_array_equal(np.asarray(found[0]) > 0, expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "cannot be read"),
        ("[]", "at least one"),
        ('[{"kind": "star", "world": [[0, 0, 0]]}]', "kind must be"),
        ('[{"kind": "lasso", "world": [[0, 0, 0]]}]', "needs 3"),
        ('[{"kind": "point", "world": "here"}]', "RAS"),
    ],
)
def test_a_file_that_holds_no_prompts_is_refused_in_a_sentence(tmp_path, text, words):
    (tmp_path / "prompts.json").write_text(text)
    with pytest.raises(InputError, match=words):
        read_prompts(tmp_path / "prompts.json")


def test_an_editor_for_other_channels_is_refused_in_a_sentence(tmp_path):
    root = find_bundle("lesion_editor").root
    shutil.copytree(root, tmp_path / "old", ignore=shutil.ignore_patterns("*.pt"))
    config = tmp_path / "old" / "configs" / "inference.json"
    config.write_text(config.read_text().replace(f'"in_channels": {len(CHANNELS)}', '"in_channels": 9'))
    with pytest.raises(InputError, match="takes 9 channels"):
        NetworkAnswerer(tmp_path / "old", trust=True)


def test_the_config_states_the_network_that_the_guidance_feeds():
    root = find_bundle("lesion_editor").root
    config = json.loads((root / "configs" / "inference.json").read_text())
    assert config["network_def"]["in_channels"] == len(CHANNELS)
    assert config["network_def"]["out_channels"] == 1
