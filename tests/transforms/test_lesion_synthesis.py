"""Lesions whose truth is known: that the label tells the truth, and that each sequence has the right sign."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.ndimage import label as connected

from monai_unet.errors import InputError
from monai_unet.transforms import RandSynthesiseLesionsd
from monai_unet.transforms.lesion_synthesis import synthesise
from monai_unet.transforms.lesion_synthesis_shape import Kind

SEQUENCES = ("flair", "t1", "t1c", "t2")
LEVELS = {"flair": (20, 90, 80), "t1": (20, 70, 100), "t1c": (20, 70, 100), "t2": (200, 90, 70)}
SHAPE = (56, 64, 52)


def _brain(spacing=2.0):
    """Images (4, *SHAPE) and tissue maps (3, *SHAPE): white matter in grey in CSF, nothing outside."""
    centre = (np.array(SHAPE) - 1) / 2
    radius = np.sqrt((((np.indices(SHAPE).reshape(3, -1).T - centre) / (26, 30, 24)) ** 2).sum(1)).reshape(SHAPE)
    maps = np.stack([(radius < 1) & (radius > 0.93), (radius <= 0.93) & (radius > 0.8), radius <= 0.8])
    maps = maps.astype(np.float32)
    images = np.stack([np.tensordot(np.array(LEVELS[s], dtype=np.float32), maps, 1) for s in SEQUENCES])
    affine = torch.diag(torch.tensor([spacing, spacing, spacing, 1.0]))
    wrap = [MetaTensor(torch.from_numpy(a.astype(np.float32)), affine=affine) for a in (images, maps)]
    return {"image": wrap[0], "tissue": wrap[1]}


def _made(seed, kind="glioblastoma", **options):
    transform = RandSynthesiseLesionsd("image", sequences=SEQUENCES, tissue_key="tissue", kind=kind, **options)
    transform.set_random_state(seed=seed)
    return transform(_brain())


def test_the_same_seed_gives_the_same_case_and_another_one_another():
    first, again, other = _made(3), _made(3), _made(4)
    for key in ("image", "label", "tissue"):
        assert torch.equal(first[key].as_tensor(), again[key].as_tensor())
    assert not torch.equal(first["label"].as_tensor(), other["label"].as_tensor())


def test_input_is_not_changed():
    data = _brain()
    before = data["image"].as_tensor().clone()
    transform = RandSynthesiseLesionsd("image", sequences=SEQUENCES, tissue_key="tissue")
    transform.set_random_state(seed=0)
    transform(data)
    assert torch.equal(data["image"].as_tensor(), before)


def test_labels_are_those_of_brats_2023_and_lie_in_the_brain():
    for seed in range(4):
        made = _made(seed)
        labels = made["label"].numpy()
        assert labels.dtype == np.uint8
        assert labels.shape == (1, *SHAPE)
        assert set(np.unique(labels)) <= {0, 1, 2, 3}
        assert (labels > 0).any()
        assert not (labels[0] > 0)[made["tissue"].numpy().sum(0) < 0.5].any()


def _means(made, base, value):
    mask = made["label"].numpy()[0] == value
    white = (base["tissue"].numpy()[2] > 0.9) & (made["label"].numpy()[0] == 0)
    return {
        s: (made["image"].numpy()[n][mask].mean() - made["image"].numpy()[n][white].mean(), int(mask.sum()))
        for n, s in enumerate(SEQUENCES)
    }


def test_each_sequence_shows_oedema_and_enhancement_with_the_right_sign():
    """FLAIR and T2 bright, T1 dark; the enhancing part bright after contrast agent alone (any textbook of MRI)."""
    base, seen = _brain(), 0
    for seed in range(6):
        made = _made(seed)
        oedema, enhancing = _means(made, base, 2), _means(made, base, 3)
        if oedema["flair"][1] > 300:
            assert oedema["flair"][0] > 0
            assert oedema["t2"][0] > 0
            assert oedema["t1"][0] < 0
            assert oedema["t1c"][0] < 0
            seen += 1
        if enhancing["t1c"][1] > 100:
            assert enhancing["t1c"][0] > 0
            assert enhancing["t1c"][0] > enhancing["t1"][0]
            seen += 1
    assert seen >= 6


def test_far_from_the_lesion_nothing_changes():
    base, made = _brain(), _made(5)
    changed = (made["image"].as_tensor() != base["image"].as_tensor()).any(0).numpy()
    labelled = made["label"].numpy()[0] > 0
    assert changed[labelled].mean() > 0.95
    assert changed.mean() < 0.8


def test_oedema_follows_white_matter():
    """A corridor of white matter, 14 mm wide, through grey: oedema of 24 mm reaches along it, hardly across."""
    maps = np.zeros((3, 41, 41, 61), dtype=np.float32)
    maps[1] = 1
    maps[:, 17:24, 17:24] = np.array([0, 0, 1], dtype=np.float32)[:, None, None, None]
    kind = Kind(
        radius=(4.0, 4.0), oedema=(24.0, 24.0), oedema_probability=1.0, push=(0.0, 0.0), margin=(0.0, 0.0), enhances=0.0
    )
    reaches = []
    for seed in range(3):
        images = np.full((1, *maps.shape[1:]), 100, dtype=np.float32)
        _, _, labels = synthesise(images, ("flair",), maps, (2.0, 2.0, 2.0), kind, np.random.RandomState(seed))
        reaches.append(np.ptp(np.argwhere(labels == 2), axis=0))
    along, across = np.mean([r[2] for r in reaches]), np.mean([max(r[0], r[1]) for r in reaches])
    assert along > 1.4 * across


def test_a_missing_sequence_stays_empty():
    data = _brain()
    data["image"][1] = 0
    transform = RandSynthesiseLesionsd("image", sequences=SEQUENCES, tissue_key="tissue")
    transform.set_random_state(seed=1)
    made = transform(data)
    assert not made["image"][1].any()
    assert made["label"].any()


def test_without_a_lesion_the_label_map_is_empty_and_the_image_as_it_was():
    made, base = _made(0, prob=0.0), _brain()
    assert not made["label"].any()
    assert torch.equal(made["image"].as_tensor(), base["image"].as_tensor())


def test_nodules_in_an_organ_of_a_ct_are_single_solid_parts():
    organ = np.zeros((1, 48, 48, 48), dtype=np.float32)
    organ[:, 8:40, 8:40, 8:40] = 1
    data = {
        "image": torch.full((1, 48, 48, 48), 60.0),
        "organ": torch.from_numpy(organ),
    }
    transform = RandSynthesiseLesionsd("image", sequences=["ct_liver"], tissue_key="organ", kind="nodule")
    transform.set_random_state(seed=2)
    made = transform(data)
    labels = made["label"].numpy()[0]
    assert set(np.unique(labels)) == {0, 1}
    assert not labels[organ[0] == 0].any()
    assert connected(labels)[1] <= 4
    # hypodense against 60 HU of liver
    assert made["image"][0].numpy()[labels == 1].mean() < 45


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sequences": ["flair", "dwi"]}, "no sequence 'dwi'"),
        ({"sequences": ["flair"], "kind": "cyst"}, "no kind of lesion 'cyst'"),
    ],
)
def test_unknown_names_are_refused_with_what_exists(options, words):
    with pytest.raises(InputError, match=words):
        RandSynthesiseLesionsd("image", tissue_key="tissue", **options)


def test_channels_and_sequences_must_match():
    transform = RandSynthesiseLesionsd("image", sequences=["flair"], tissue_key="tissue")
    with pytest.raises(InputError, match="4 channels were given for 1 sequences"):
        transform(_brain())
