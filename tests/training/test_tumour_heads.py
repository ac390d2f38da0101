"""The training data of brain_tumor_t1c, on small sets; repeated cases; bfloat16 training."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_unet.errors import InputError
from monai_unet.networks import build_unet
from monai_unet.training import BFloat16Inferer, RepeatedCases, TumourHeads
from monai_unet.training.tumour_heads import thick_stack

AFFINE = np.diag([-1.0, -1.0, 6.5, 1.0])


def _save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def _set(folder, names, mask):
    image = np.random.default_rng(0).integers(0, 200, mask.shape).astype(np.uint8)
    lists = {}
    for key, name in names.items():
        _save(folder / f"{name}.nii.gz", image)
        _save(folder / f"{name}_label.nii.gz", mask.astype(np.uint8))
        lists[key] = [{"image": f"{name}.nii.gz", "label": f"{name}_label.nii.gz"}]
    (folder / "dataset.json").write_text(json.dumps(lists), encoding="utf-8")
    return folder


@pytest.fixture
def heads(tmp_path):
    ring = np.zeros((20, 20, 5), dtype=bool)
    ring[4:16, 4:16, 2] = True
    ring[7:13, 7:13, 2] = False
    brain = np.zeros((24, 26, 28), dtype=np.int16)
    brain[4:20, 4:22, 4:24] = 500
    keys = ("training", "validation", "test")
    return TumourHeads(
        stacks=_set(tmp_path / "stacks", {key: f"stack_{key}" for key in keys}, ring),
        rims=_set(tmp_path / "rims", {key: f"rim_{key}" for key in keys}, ring),
        brains=[_save(tmp_path / "patient01" / "t1c.nii.gz", brain, np.eye(4))],
        heads=[_save(tmp_path / "head_T1.nii.gz", brain, np.diag([1.0, 1.0, 3.0, 1.0]))],
        output_dir=tmp_path / "out",
        cut={"stack_training": 1},
        times={"stacks": 4, "rims": 30},
    )


def _read(path):
    return np.asarray(nib.load(path).dataobj)


def test_the_lists_hold_what_they_should(heads):
    heads.run()
    lists = json.loads((heads.output_dir / "dataset.json").read_text())
    training = lists["training"]
    assert [entry["source"] for entry in training] == [
        "stacks",
        "stacks",
        "rims",
        "brains",
        "brains",
        "brains",
        "heads",
    ]
    assert [entry["times"] for entry in training] == [4, 4, 30, 1, 1, 1, 1]
    # the joined stack is two: slices 0 and 1, and the others
    assert [_read(entry["image"]).shape[2] for entry in training[:2]] == [2, 3]
    assert nib.load(training[1]["image"]).affine[2, 3] == 2 * 6.5
    # a rim is solid, a stack's contour is left as it is, a head without a tumour has an empty label on its grid
    assert _read(training[2]["label"])[10, 10, 2] == 1
    assert _read(training[1]["label"])[10, 10, 0] == 0
    assert _read(training[6]["label"]).shape == (24, 26, 28)
    assert not _read(training[6]["label"]).any()
    assert [len(lists[key]) for key in ("validation", "test")] == [2, 2]


def test_thick_slices_are_means_at_their_own_places():
    data = np.zeros((10, 12, 40), dtype=np.float32)
    data[:, :, 7:] = np.arange(7, 40)
    stack = thick_stack(data, np.diag([1.0, 1.0, 1.0, 1.0]), 2, thickness_mm=6, gap_mm=1)
    values = np.asarray(stack.dataobj)[0, 0]
    assert stack.header.get_zooms() == (1, 1, 7)
    for index, value in enumerate(values):
        # a slice whose voxels hold their own height in mm has the height of its middle as its mean
        assert value == pytest.approx(index * 7 + stack.affine[2, 3], abs=0.6)


def test_a_missing_set_is_named(heads):
    heads.brains = [heads.output_dir / "nothing.nii.gz"]
    with pytest.raises(InputError, match=r"nothing\.nii\.gz does not exist"):
        heads.run()


def test_cases_are_repeated_as_often_as_their_entries_say():
    repeated = RepeatedCases(["a", "b", "c"], [{"times": 2}, {}, {"times": 3}])
    assert [repeated[i] for i in range(len(repeated))] == ["a", "a", "b", "c", "c", "c"]
    assert len(RepeatedCases(["a", "b", "c"], [{}, {}, {}], fewest=7)) == 9
    with pytest.raises(ValueError, match="3 cases and 2 entries"):
        RepeatedCases(["a", "b", "c"], [{}, {}])


@pytest.mark.parametrize("enabled", [True, False])
def test_training_in_bfloat16_gives_float32_logits_near_those_of_float32(enabled):
    network = build_unet("unet", channels=(4, 8), strides=(2,)).eval()
    image = torch.randn(2, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, exact = BFloat16Inferer(enabled=enabled)(image, network), network(image)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, exact, rtol=0.05, atol=0.05 if enabled else 1e-6)
