"""Training of the editor: its windows, its loss, its conversations, and the bundle's one command."""

import json
import multiprocessing
import os
import subprocess
import sys
from operator import itemgetter

import nibabel as nib
import numpy as np
import pytest
import torch
from decathlon_phantom import make_dataset
from scipy.ndimage import label
from torch import distributed

from monai_unet.bundle_format.catalogue import built_in_folder
from monai_unet.errors import InputError
from monai_unet.networks import build_unet
from monai_unet.training.editor import EditorTraining, average_gradients, editor_loss
from monai_unet.training.editor_cases import editor_cases
from monai_unet.training.editor_windows import EditorWindows, varied_contrast
from monai_unet.training.faulty_masks import NEARLY, faulty_mask, nearly_right_mask
from monai_unet.training.invented_windows import Sample, drawn_lesion, even_tissue, scene

TOGETHER = built_in_folder() / "lesion_editor" / "configs" / "multi_process_train.yaml"
TRAIN = built_in_folder() / "lesion_editor" / "configs" / "train.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def windows(folder):
    return EditorWindows(editor_cases([{"dataset": str(folder / "dataset.json")}]), size=16)


def _network():
    return build_unet("unet", in_channels=10, out_channels=1, channels=(4, 8, 8))


def test_every_label_value_of_every_case_is_an_object(folder):
    (cases,) = editor_cases([{"dataset": str(folder / "dataset.json")}])
    assert [len(case.objects) for case in cases] == [2, 2, 2, 2]
    (joined,) = editor_cases([{"dataset": str(folder / "dataset.json"), "objects": [[1, 2]]}], key="validation")
    assert [len(case.objects) for case in joined] == [1, 1]
    (three,) = editor_cases([{"dataset": str(folder / "dataset.json"), "first": 3}])
    assert len(three) == 3


def test_entries_that_do_not_agree_are_left_out(folder, tmp_path):
    table = json.loads((folder / "dataset.json").read_text())
    entries = [{key: str(folder / path) for key, path in entry.items()} for entry in table["training"]]
    for number, entry in enumerate(entries):
        entry["source"] = "stacks" if number else "rims"
    (tmp_path / "dataset.json").write_text(json.dumps({"training": entries}))
    source = {"dataset": str(tmp_path / "dataset.json"), "where": {"source": "stacks"}}
    assert len(editor_cases([source])[0]) == len(entries) - 1
    with pytest.raises(InputError, match="no labelled object"):
        editor_cases([source | {"where": {"source": "other"}}])


def test_first_clicks_lie_deep_in_millimetres_and_not_in_voxels(tmp_path):
    """In a slab of three thick slices the deepest places are those in the middle of the slice."""
    mask = np.zeros((3, 40, 40), dtype=np.uint8)
    mask[:, 10:30, 10:30] = 1
    affine = np.diag([1.0, 1.0, 10.0, 1.0])
    for name, data in (("image", mask * 100), ("label", mask)):
        nib.save(nib.Nifti1Image(data.transpose(2, 1, 0).astype(np.int16), affine), tmp_path / f"{name}.nii.gz")
    (tmp_path / "dataset.json").write_text(
        json.dumps({"training": [{"image": "image.nii.gz", "label": "label.nii.gz"}]})
    )
    ((case,),) = editor_cases([{"dataset": str(tmp_path / "dataset.json")}])
    assert case.spacing[0] == 10
    (thing,) = case.objects
    assert np.abs(thing.inside[:, 1:] - 19.5).max() < 6


def test_beyond_the_image_nothing_is_the_object_and_nothing_counts(windows):
    random = np.random.default_rng(11)
    samples = [sample for sample in (windows.draw(random) for _ in range(60)) if sample.known is not None]
    cut = [sample for sample in samples if not sample.known.all()]
    assert cut
    assert not any((sample.target & ~sample.known).any() for sample in samples)
    logits = torch.randn(1, 1, 8, 8, 8)
    targets, known = (torch.zeros(1, 1, 8, 8, 8) for _ in range(2))
    known[..., :4], targets[..., 1:3] = 1, 1
    loss = editor_loss(logits, targets, known)
    torch.testing.assert_close(loss, editor_loss(logits[..., :4], targets[..., :4]))
    logits[..., 5:] = 50
    torch.testing.assert_close(loss, editor_loss(logits, targets, known))


def test_a_source_without_cases_is_refused_in_a_sentence(folder, tmp_path):
    with pytest.raises(InputError, match="no cases under 'other'"):
        editor_cases([{"dataset": str(folder / "dataset.json")}], key="other")
    with pytest.raises(InputError, match="cannot be read"):
        editor_cases([{"dataset": str(tmp_path / "dataset.json")}])


def test_windows_hold_an_object_and_a_first_click_in_it(windows):
    random = np.random.default_rng(0)
    for _ in range(40):
        sample = windows.draw(random)
        assert sample.image.shape == sample.target.shape == (16, 16, 16)
        assert np.isfinite(sample.image).all()
        assert sample.target.sum() >= 12
        if sample.click is not None:
            assert sample.target[tuple(sample.click.round().astype(int))]


def test_one_seed_gives_one_window(windows):
    one, two = (windows.draw(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.target, two.target)


def test_a_drawn_lesion_stands_out_where_it_is_said_to_be():
    """Unlike its surroundings on the average of many: the step is at least 0.15 of the image's own spread."""
    random = np.random.default_rng(1)
    image = random.normal(0, 1, (24, 24, 24)).astype(np.float32)
    steps = [
        abs(sample.image[sample.target].mean() - image[sample.target].mean())
        for sample in (drawn_lesion(image, random) for _ in range(30))
        if sample.target.any()
    ]
    assert np.median(steps) > 0.15


def test_a_drawn_lesion_is_one_piece():
    random = np.random.default_rng(6)
    image = random.normal(0, 1, (24, 24, 24)).astype(np.float32)
    samples = [drawn_lesion(image, random) for _ in range(30)]
    assert {int(label(sample.target)[1]) for sample in samples} <= {0, 1}
    assert sum(sample.target.any() for sample in samples) > 25


def test_an_invented_scene_has_borders_where_its_object_ends():
    """Of most scenes the intensity changes more across the object's border than inside the object."""
    random = np.random.default_rng(7)
    found = [sample for sample in (scene(24, random) for _ in range(40)) if sample is not None]
    assert len(found) > 20
    sharper = []
    for sample in found:
        step = np.abs(np.diff(sample.image, axis=0))
        both, across = sample.target[1:] & sample.target[:-1], sample.target[1:] ^ sample.target[:-1]
        sharper.append(step[across].mean() > step[both].mean())
    assert np.mean(sharper) > 0.8


def test_even_tissue_keeps_to_the_tissue_that_was_hit():
    """A bright cube of an eighth of the window: a piece grown in it stays in it, but for its blurred border."""
    image = np.zeros((24, 24, 24), np.float32)
    image[6:18, 6:18, 6:18] = 1
    random = np.random.default_rng(2)
    found = [sample for sample in (even_tissue(image, random) for _ in range(40)) if sample is not None]
    inside = [sample for sample in found if image[sample.target].mean() > 0.5]
    assert inside
    assert all(image[sample.target].mean() > 0.8 for sample in inside)


def test_contrast_varies_and_stays_finite():
    image = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    random = np.random.default_rng(3)
    made = [varied_contrast(image, random) for _ in range(20)]
    assert all(np.isfinite(other).all() and other.dtype == np.float32 for other in made)
    correlations = [np.corrcoef(image.ravel(), other.ravel())[0, 1] for other in made]
    assert min(correlations) < -0.5 < 0.5 < max(correlations)


def test_the_loss_of_a_sure_and_right_answer_is_nothing_and_of_a_wrong_one_is_large():
    target = torch.zeros(2, 1, 8, 8, 8)
    target[:, :, 2:5] = 1
    right = editor_loss((target * 2 - 1) * 20, target)
    wrong = editor_loss((1 - target * 2) * 20, target)
    assert right.shape == (2,)
    assert float(right.max()) < 1e-3
    assert float(wrong.min()) > 10


def test_faulty_masks_are_faulty():
    target = np.zeros((20, 20, 20), dtype=bool)
    target[5:15, 6:14, 5:13] = True
    random = np.random.default_rng(4)
    dice = [2 * (m & target).sum() / (m.sum() + target.sum()) for m in (faulty_mask(target, random) for _ in range(30))]
    assert 0.05 < np.mean(dice) < 0.95


def test_nearly_right_masks_are_nearly_right():
    target = np.zeros((24, 24, 24), dtype=bool)
    target[6:18, 5:17, 7:19] = True
    image = np.random.default_rng(0).normal(0, 1, target.shape).astype(np.float32) + target
    random = np.random.default_rng(5)
    masks = [nearly_right_mask(Sample(image, target), random) for _ in range(40)]
    dice = [2 * (mask & target).sum() / (mask.sum() + target.sum()) for mask in masks]
    assert np.mean([NEARLY[0] <= value <= NEARLY[1] for value in dice]) > 0.9
    assert np.std(dice) > 0.03
    assert any((mask & ~target).any() for mask in masks)
    assert any((target & ~mask).any() for mask in masks)


def test_a_step_without_a_finite_gradient_is_left_out(windows, tmp_path):
    network = _network()
    training = EditorTraining(network, windows, output_dir=tmp_path, steps=3, batch_size=2, pool=4, rounds=3)
    parameter = next(network.parameters())
    hook = parameter.register_hook(lambda gradient: gradient * float("nan"))
    before = parameter.detach().clone()
    training._set_learning_rate()
    training._train_step()
    torch.testing.assert_close(parameter.detach(), before)
    hook.remove()
    training._train_step()
    assert not torch.equal(parameter.detach(), before)
    assert parameter.isfinite().all()


def test_a_run_saves_what_it_needs_to_go_on(windows, tmp_path):
    options = {"output_dir": tmp_path, "batch_size": 2, "pool": 3, "rounds": 3}
    EditorTraining(_network(), windows, steps=3, **options).run(save_every=2)
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    network = _network()
    network.load_state_dict(weights)
    resumed = EditorTraining(network, windows, steps=5, resume=True, **options)
    assert resumed.step == 3
    resumed.run()
    assert resumed.step == 5
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3, 5]


def test_while_some_conversations_are_answered_others_are_prepared(windows, tmp_path):
    training = EditorTraining(_network(), windows, output_dir=tmp_path, steps=3, batch_size=2, pool=2, rounds=3)
    for _ in range(6):
        now = training._prepare()
        assert not set(now.chosen) & set(training._prepare(busy=now.chosen).chosen)


def test_the_gradients_of_processes_are_averaged(monkeypatch):
    network = torch.nn.Linear(2, 1)
    network(torch.ones(1, 2)).sum().backward()
    one = [p.grad.clone() for p in network.parameters()]
    monkeypatch.setattr(distributed, "get_world_size", lambda: 4)
    monkeypatch.setattr(distributed, "all_reduce", lambda tensor: tensor.mul_(10))  # as of 1 + 2 + 3 + 4 times these
    average_gradients(network)
    for parameter, gradient in zip(network.parameters(), one, strict=True):
        torch.testing.assert_close(parameter.grad, 2.5 * gradient)


def _one_of_two(rank, folder, output_dir, queue):
    distributed.init_process_group("gloo", init_method=f"file://{output_dir}/meeting", rank=rank, world_size=2)
    torch.manual_seed(rank)  # the first process's weights are everybody's
    windows = EditorWindows(editor_cases([{"dataset": str(folder / "dataset.json")}]), size=16)
    training = EditorTraining(_network(), windows, output_dir=output_dir, steps=3, batch_size=2, pool=3, rounds=3)
    mine = float(training.random.random())
    training.run(save_every=2)
    queue.put((rank, mine, training.step, [p.detach().numpy().copy() for p in training.network.parameters()]))
    distributed.destroy_process_group()


def test_processes_that_train_together_keep_one_network(folder, tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    both = [context.Process(target=_one_of_two, args=(rank, folder, tmp_path, queue)) for rank in range(2)]
    for process in both:
        process.start()
    (_, first, steps, one), (_, second, others, other) = sorted(
        (queue.get(timeout=240) for _ in both), key=itemgetter(0)
    )
    for process in both:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert first != second  # conversations of their own
    assert steps == others == 3
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert [json.loads(line)["step"] for line in (tmp_path / "history.jsonl").read_text().splitlines()] == [2, 3]


def test_the_bundle_trains_with_several_processes(folder, tmp_path):
    words = ["--dataset_dir", str(folder), "--output_dir", str(tmp_path / "out"), "--steps", "2", "--pool", "4"]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        "-m",
        "monai.bundle",
    ]
    command += ["run", "--config_file", f"['{TRAIN}','{TOGETHER}']", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"last.pt", "model.pt", "history.jsonl"}


def test_the_bundle_fine_tunes_on_a_folder_of_cases_by_one_command(folder, tmp_path):
    words = ["--dataset_dir", str(folder), "--output_dir", str(tmp_path / "out"), "--steps", "2", "--pool", "4"]
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(TRAIN), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"last.pt", "model.pt", "history.jsonl"}
    tuned = torch.load(tmp_path / "out" / "model.pt", weights_only=True)
    shipped = torch.load(TRAIN.parents[1] / "models" / "model.pt", weights_only=True)
    assert tuned.keys() == shipped.keys()
