import hashlib

import monai.bundle
import nibabel as nib
import numpy as np
import pytest
import torch
from segmentation_cases import GEOMETRIES, hippocampus_weights, one_pass_bundle, write_image

from monai_unet.bundle_format.catalogue import built_in_folder
from monai_unet.errors import InputError
from monai_unet.inferers import openvino_installed
from monai_unet.io import read_volume, write_label_map
from monai_unet.segmentation.segmenter import Segmenter


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return hippocampus_weights(tmp_path_factory.mktemp("weights") / "model.pt")


@pytest.fixture(scope="module")
def segmenter(weights):
    return Segmenter.load("hippocampus_mri", device="cpu", checkpoint=weights)


def written(result, path):
    write_label_map(result.labels, path, like=result.labels.meta)
    return nib.load(path)


def test_labels_equal_those_of_monai_bundle_run(tmp_path, segmenter, weights):
    images = tmp_path / "images"
    images.mkdir()
    for name in GEOMETRIES:
        write_image(images / f"{name}.nii.gz", name)
    root = built_in_folder() / "hippocampus_mri"
    monai.bundle.run(
        config_file=str(root / "configs" / "inference.json"),
        bundle_root=str(root),
        input=str(images),
        output_dir=str(tmp_path / "stock"),
        ckpt=str(weights),
        device=torch.device("cpu"),
        amp=False,
    )
    for name in GEOMETRIES:
        ours = written(segmenter.segment(images / f"{name}.nii.gz"), tmp_path / f"{name}.nii.gz")
        stock = nib.load(tmp_path / "stock" / f"{name}.nii.gz")
        np.testing.assert_allclose(ours.affine, stock.affine)
        assert len(np.unique(stock.dataobj)) > 1
        # of 20,328 voxels, two: the weights are random, and where two classes tie to a millionth rounding decides
        assert np.mean(np.asarray(ours.dataobj) != np.asarray(stock.dataobj)) <= 1e-4, name


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_mask_lies_on_the_voxels_of_the_image(tmp_path, segmenter, geometry):
    image = nib.load(write_image(tmp_path / "image.nii.gz", geometry))
    mask = written(segmenter.segment(tmp_path / "image.nii.gz"), tmp_path / "mask.nii.gz")
    assert mask.shape == image.shape
    np.testing.assert_allclose(mask.affine, image.affine, atol=1e-5)


def test_a_volume_in_memory_gives_the_labels_of_its_file(tmp_path, segmenter):
    path = write_image(tmp_path / "image.nii.gz", "oblique")
    volume = read_volume(path)
    before = volume.as_tensor().clone()
    assert torch.equal(segmenter.segment(volume).labels.as_tensor(), segmenter.segment(path).labels.as_tensor())
    assert torch.equal(volume.as_tensor(), before)


def test_progress_is_told_and_closing_stops_between_tiles(tmp_path, segmenter):
    path = write_image(tmp_path / "image.nii.gz", "oblique")
    stages = []
    segmenter.segment(path, progress=lambda step: stages.append(step.stage))
    assert stages[:2] == ["read", "preprocess"]
    assert set(stages[2:-1]) == {"infer"}
    assert stages[-1] == "postprocess"
    steps = segmenter.steps(path)
    while next(steps).stage != "infer":
        pass
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_voxels_that_are_not_numbers_are_replaced_and_stated(tmp_path, segmenter):
    path = write_image(tmp_path / "image.nii.gz", "oblique")
    image = nib.load(path)
    data = np.asarray(image.dataobj).astype(np.float32)
    data[3, 4, 5], data[6, 7, 8] = np.nan, np.inf
    nib.save(nib.Nifti1Image(data, image.affine), path)
    result = segmenter.segment(path)
    assert "2 voxels" in " ".join(result.provenance["notes"])
    data[:] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), path)
    with pytest.raises(InputError, match="no finite voxel"):
        segmenter.segment(path)


def test_the_wrong_number_of_channels_is_named(tmp_path, segmenter):
    path = write_image(tmp_path / "image.nii.gz", "oblique")
    with pytest.raises(InputError, match="needs 1 image, in this order: T1; 2 were given"):
        segmenter.segment([path, path])


def test_provenance_states_what_made_the_labels(tmp_path, segmenter, weights):
    result = segmenter.segment(write_image(tmp_path / "image.nii.gz", "non-RAS"))
    made = result.provenance
    assert made["bundle"] == "hippocampus_mri"
    assert made["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert set(made["seconds"]) == {"read", "preprocess", "infer", "postprocess"}
    assert result.label_names == {1: "anterior hippocampus", 2: "posterior hippocampus"}
    assert result.colors[1] == (230, 159, 0)


def test_cuda_is_refused_where_there_is_none(weights):
    if torch.cuda.is_available():
        pytest.skip("this computer has CUDA")
    with pytest.raises(InputError, match="--device cpu"):
        Segmenter.load("hippocampus_mri", device="cuda", checkpoint=weights)


def test_an_ensemble_averages_probabilities_and_the_entropy_is_theirs(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = write_image(tmp_path / "image.nii.gz", "non-RAS")
    bundle = one_pass_bundle(tmp_path / "bundle")
    one, other = (hippocampus_weights(tmp_path / f"{seed}.pt", seed=seed, bundle=bundle) for seed in (0, 3))
    segmenter = Segmenter.load(bundle, device="cpu", checkpoint=one, trust=True)
    ensemble = Segmenter.load(bundle, device="cpu", checkpoint=[one, other], uncertainty=True, trust=True)
    result = ensemble.segment(path)
    image = segmenter.preprocess(segmenter.read(path)).data["image"].as_tensor()[None]
    with torch.no_grad():
        mirrored = [
            (net(image).softmax(1) + net(image.flip(4)).softmax(1).flip(4)) / 2 for net in ensemble.engine.modules
        ]
    mean = torch.stack(mirrored).mean(0)[0]
    entropy = -(mean * mean.log()).sum(0) / np.log(3)
    assert result.uncertainty is not None
    torch.testing.assert_close(result.uncertainty.as_tensor()[0], entropy, atol=1e-4, rtol=1e-3)
    assert result.provenance["weights_sha256"] != segmenter.segment(path).provenance["weights_sha256"]


def test_a_memory_limit_gives_the_same_labels_and_says_what_was_done(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = write_image(tmp_path / "image.nii.gz", "oblique", shape=(40, 40, 90))
    bundle = one_pass_bundle(tmp_path / "bundle")
    weights = hippocampus_weights(tmp_path / "model.pt", bundle=bundle)
    plain, limited = (
        Segmenter.load(bundle, device="cpu", checkpoint=weights, memory_limit=limit, trust=True).segment(path)
        for limit in (None, 0.05)
    )
    assert torch.equal(plain.labels.as_tensor(), limited.labels.as_tensor())
    assert "strips" not in " ".join(plain.provenance["notes"])
    assert "strips" in " ".join(limited.provenance["notes"])
    assert limited.provenance["inferer"] == "HaloStripInferer"


def test_openvino_gives_the_same_labels(tmp_path, segmenter, weights, monkeypatch):
    if not openvino_installed():  # `importorskip` would import it with its telemetry
        pytest.skip("OpenVINO is not installed")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = write_image(tmp_path / "image.nii.gz", "anisotropic")
    compiled = Segmenter.load("hippocampus_mri", device="cpu", checkpoint=weights, runtime="openvino").segment(path)
    assert compiled.provenance["runtime"] == "openvino"
    equal = compiled.labels.as_tensor() == segmenter.segment(path).labels.as_tensor()
    assert equal.float().mean() >= 0.9999
