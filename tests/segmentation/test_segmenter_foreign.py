import sys

import monai.bundle
import nibabel as nib
import numpy as np
import pytest
import torch
from foreign_bundles import BRATS, BRATS_METADATA, SPLEEN, SPLEEN_METADATA
from segmentation_cases import GEOMETRIES, write_bundle, write_image

from monai_unet.errors import InputError
from monai_unet.io import read_volume, write_label_map
from monai_unet.segmentation.fused_postprocessing import plan_fused
from monai_unet.segmentation.segmenter import Segmenter


@pytest.fixture
def user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    return tmp_path


def stock(root, output, **overrides):
    """Run the bundle as its users do; returns the files written, by case."""
    monai.bundle.run(
        config_file=str(root / "configs" / "inference.json"),
        meta_file=str(root / "configs" / "metadata.json"),
        bundle_root=str(root),
        output_dir=str(output),
        device=torch.device("cpu"),
        **overrides,
    )
    return {path.parent.name: path for path in output.rglob("*.nii.gz")}


def assert_equal(result, path, tmp_path):
    write_label_map(result.labels, tmp_path / "ours.nii.gz", like=result.labels.meta)
    ours, expected = nib.load(tmp_path / "ours.nii.gz"), nib.load(path)
    np.testing.assert_allclose(ours.affine, expected.affine, atol=1e-4)
    labels = np.asarray(expected.dataobj)
    assert len(np.unique(labels)) > 1
    assert (np.asarray(ours.dataobj) == labels).mean() >= 0.9999


def test_spleen_ct_segmentation_gives_the_labels_of_monai_bundle_run(user):
    root = write_bundle(user / "spleen", SPLEEN, SPLEEN_METADATA)
    files = [write_image(user / f"{name}.nii.gz", name) for name in GEOMETRIES]
    expected = stock(root, user / "stock", datalist=[str(file) for file in files])
    # as if our own UNet had been imported before MONAI's: the bundle must still get the one it means
    sys.modules["monai.networks.nets.unet"] = sys.modules.pop("monai.networks.nets.unet")
    segmenter = Segmenter.load(root, device="cpu", trust=True)
    assert type(segmenter.parts.network).__module__ == "monai.networks.nets.unet"
    for file, name in zip(files, GEOMETRIES, strict=True):
        result = segmenter.segment(file)
        assert_equal(result, expected[name], user)
        assert result.label_names == {1: "spleen"}
    case = segmenter.preprocess(segmenter.read(files[0]))
    assert plan_fused(segmenter.parts, case.data["image"]) is not None
    in_memory = segmenter.segment(read_volume(files[1]))
    assert_equal(in_memory, expected[list(GEOMETRIES)[1]], user)


def test_brats_mri_segmentation_gives_the_labels_of_monai_bundle_run(user):
    root = write_bundle(user / "brats", BRATS, BRATS_METADATA)
    cases = {
        name: [str(write_image(user / f"{name}{i}.nii.gz", name, seed=i)) for i in range(4)] for name in GEOMETRIES
    }
    expected = stock(root, user / "stock", test_datalist=[{"image": files} for files in cases.values()])
    segmenter = Segmenter.load(root, device="cpu", trust=True)
    for name, files in cases.items():
        result = segmenter.segment(files)
        assert_equal(result, expected[f"{name}0"], user)
        # the values 1, 2, 4 are not the numbers of the channels, so that their names cannot be known
        assert set(result.label_names.values()) <= {"class 1", "class 2", "class 4"}
        assert result.provenance["labels"] == {str(value): f"class {value}" for value in sorted(result.label_names)}
    with pytest.raises(InputError, match="T1c, T1, T2, FLAIR"):
        segmenter.segment(files[0])


def test_a_foreign_bundle_runs_only_after_consent_for_its_present_files(user):
    root = write_bundle(user / "spleen", SPLEEN, SPLEEN_METADATA)
    with pytest.raises(InputError, match="--trust"):
        Segmenter.load(root, device="cpu")
    Segmenter.load(root, device="cpu", trust=True)
    Segmenter.load(root, device="cpu")
    with (root / "configs" / "inference.json").open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match="--trust"):
        Segmenter.load(root, device="cpu")


def test_a_compiled_module_that_appears_asks_again_and_the_cache_of_python_does_not(user):
    root = write_bundle(user / "spleen", SPLEEN, SPLEEN_METADATA)
    Segmenter.load(root, device="cpu", trust=True)
    (root / "scripts" / "__pycache__").mkdir(parents=True)
    (root / "scripts" / "__pycache__" / "net.cpython-311.pyc").write_bytes(b"cache")
    Segmenter.load(root, device="cpu")
    (root / "scripts" / "net.pyc").write_bytes(b"code")
    with pytest.raises(InputError, match="--trust"):
        Segmenter.load(root, device="cpu")
