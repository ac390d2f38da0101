"""A model in nnU-Net's format becomes a bundle that answers as nnU-Net does; what cannot is one sentence."""

import json
import pickle
import shutil
import zipfile

import nibabel as nib
import numpy as np
import pytest
import torch
from nnunet_phantom import dataset, network_of, plans, weights_of, write_image, write_model

from monai_unet.bundle_format import find_bundle, is_trusted
from monai_unet.bundle_format.nnunet import import_nnunet
from monai_unet.bundle_format.nnunet.component_rules import read_rules
from monai_unet.bundle_format.nnunet.structures import CODES
from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.segmentation import Segmenter


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def labels_of(bundle, images):
    """Labels in the file's axis order (x, y, z)."""
    found = Segmenter.load(bundle, device="cpu", runtime="torch").segment(images)
    return found, found.labels.numpy()[0]


def test_two_commands_lead_from_a_model_to_a_mask(tmp_path, capsys):
    model, image = write_model(tmp_path / "results"), write_image(tmp_path / "case_0000.nii.gz")
    assert main(["import", "nnunet", str(model), "-o", str(tmp_path / "bundle")]) == 0
    assert "8 computations" in capsys.readouterr().out
    words = ["segment", str(image), "-o", str(tmp_path / "out"), "--bundle", str(tmp_path / "bundle")]
    assert main([*words, "--runtime", "torch"]) == 0
    (mask,) = (tmp_path / "out").glob("*.nii.gz")
    assert nib.load(mask).shape == nib.load(image).shape
    assert np.allclose(nib.load(mask).affine, nib.load(image).affine)
    assert np.unique(nib.load(mask).get_fdata()).size > 1


def test_the_bundle_is_an_ordinary_trusted_one_with_names_and_a_card(tmp_path):
    root = import_nnunet(write_model(tmp_path), tmp_path / "bundle").bundle.root
    found = find_bundle(root)
    assert is_trusted(found)
    assert found.problem == ""
    assert found.description.label_names == {1: "core", 2: "rim"}
    assert [channel.name for channel in found.description.channels] == ["T1"]
    assert "trainer nnUNetTrainer" in (root / "docs" / "README.md").read_text()
    torch.load(root / "models" / "model.pt", weights_only=True)


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SAL"])
def test_images_are_read_in_the_axis_order_of_their_file_unless_one_is_stated(tmp_path, axes):
    model = write_model(tmp_path / "results", mirror=None)
    image = write_image(tmp_path / "a_0000.nii.gz", axes=axes)
    turned = tmp_path / "b_0000.nii.gz"
    target = nib.orientations.axcodes2ornt("RAS")
    stored = nib.load(image)
    nib.save(stored.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(stored.affine), target)), turned)
    as_stored = import_nnunet(model, tmp_path / "as_stored").bundle.root
    stated = import_nnunet(model, tmp_path / "stated", orientation="RAS").bundle.root
    first, second = labels_of(stated, image)[1], labels_of(stated, turned)[1]
    assert np.array_equal(first, second)  # stated: the same patient, whatever the file's axes
    assert np.array_equal(labels_of(as_stored, turned)[1], second)
    if axes != "RAS":
        assert not np.array_equal(labels_of(as_stored, image)[1], first)


def test_several_folds_are_the_mean_of_their_logits(tmp_path):
    root = import_nnunet(write_model(tmp_path, folds=("0", "2"), mirror=None), tmp_path / "bundle").bundle.root
    network = Segmenter.load(root, device="cpu").parts.network
    tile = torch.randn(1, 1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    single = []
    for seed in (0, 1):
        one = network_of(3).eval()
        one.load_state_dict({n: t for n, t in weights_of(one, seed=seed).items() if n in one.state_dict()})
        single.append(one)
    with torch.no_grad():
        assert torch.allclose(network(tile), (single[0](tile) + single[1](tile)) / 2, atol=1e-5)


def test_folds_can_be_chosen(tmp_path):
    model = write_model(tmp_path, folds=("0", "1", "all"))
    root = import_nnunet(model, tmp_path / "bundle", folds=["1"]).bundle.root
    assert json.loads((root / "configs" / "metadata.json").read_text())["monai_unet"]["nnunet"]["folds"] == ["1"]
    with pytest.raises(InputError, match="fold 4; there are folds 0, 1, all"):
        import_nnunet(model, tmp_path / "other", folds=["4"])


def test_regions_are_painted_in_their_order_and_named(tmp_path):
    labels = {"background": 0, "whole": [1, 2], "core": [2]}
    described = dataset(labels, channels=("FLAIR", "CT"), regions_class_order=[1, 2])
    model = write_model(tmp_path, described=described, outputs=2, channels=2)
    root = import_nnunet(model, tmp_path / "bundle", mirroring=False).bundle.root
    images = [write_image(tmp_path / f"c_{n:04d}.nii.gz", phase=n) for n in range(2)]
    found, values = labels_of(root, images)
    assert found.label_names == {1: "whole, the rest", 2: "core"}
    assert set(np.unique(values)) <= {0, 1, 2}
    description = find_bundle(root).description
    assert dict(description.label_regions) == {"whole": (1, 2), "core": (2,)}
    assert description.channels[1].modality == "CT"


def test_plans_of_before_25_are_translated(tmp_path):
    stated = plans()
    configuration = stated["configurations"]["3d_fullres"]
    built = configuration.pop("architecture")["arch_kwargs"]
    configuration |= {
        "UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "unet_max_num_features": 8,
        "n_conv_per_stage_encoder": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2], "num_pool_per_axis": [1, 2, 2],
        "pool_op_kernel_sizes": built["strides"], "conv_kernel_sizes": built["kernel_sizes"],
    }  # fmt: skip
    old = import_nnunet(write_model(tmp_path / "old", stated=stated), tmp_path / "b1", mirroring=False).bundle.root
    new = import_nnunet(write_model(tmp_path / "new"), tmp_path / "b2", mirroring=False).bundle.root
    image = write_image(tmp_path / "case_0000.nii.gz")
    assert np.array_equal(labels_of(old, image)[1], labels_of(new, image)[1])


def test_models_in_an_archive_and_one_of_several(tmp_path):
    root = tmp_path / "results"
    write_model(root)
    write_model(root, dims=2)
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in root.rglob("*"):
            packed.write(path, f"Dataset900_phantom/{path.relative_to(root)}")
    with pytest.raises(InputError, match=r"several models .*choose one with --configuration"):
        import_nnunet(archive, tmp_path / "bundle")
    found = import_nnunet(archive, tmp_path / "bundle", configuration="2d").bundle
    network = json.loads((found.root / "configs" / "inference.json").read_text())
    assert network["patch_size"] == [1, 16, 16]
    assert network["mirror_axes"] == [1, 2]


def test_a_totalsegmentator_task_is_turned_to_ras_with_codes_and_licence(tmp_path):
    stated = plans()
    stated["dataset_name"] = "Dataset291_TotalSegmentator_part1_organs_1559subj"
    described = dataset({"background": 0, "spleen": 1, "kidney_left": 2}, channels=("CT",))
    trainer = "nnUNetTrainer_4000epochs_NoMirroring"
    model = write_model(tmp_path, stated=stated, described=described, trainer=trainer, mirror=None)
    imported = import_nnunet(model, tmp_path / "bundle")
    assert "TotalSegmentator" in imported.sentences[0]
    codes = {label.name: label.snomed_code for label in imported.bundle.description.labels}
    assert codes == {"spleen": "78961009", "kidney_left": "64033007"}
    assert json.loads((imported.bundle.root / "configs" / "inference.json").read_text())["orientation"] == "RAS"


def test_codes_are_those_of_the_dicom_standard():
    from pydicom.sr.codedict import codes

    named = [getattr(codes.SCT, name) for name in codes.SCT.dir()]
    assert set(CODES.values()) <= {(code.value, code.meaning) for code in named}


# --- postprocessing


def remove_all_but_largest_component_from_segmentation():
    """Stands for nnU-Net's function of that name; a pickle holds the name alone."""


def test_rules_are_read_from_a_pickle_without_unpickling(tmp_path):
    here = remove_all_but_largest_component_from_segmentation
    rules = [{"labels_or_regions": [np.int64(1), np.int64(2)]}, {"labels_or_regions": (1, 2)}, {"labels_or_regions": 2}]
    for protocol in range(2, 6):
        (tmp_path / "postprocessing.pkl").write_bytes(pickle.dumps(([here] * 3, rules), protocol))
        assert read_rules(tmp_path) == ((1, 2), (1, 2), (2,))


def test_a_pickle_that_would_run_something_is_refused_and_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w').close()",))

    (tmp_path / "postprocessing.pkl").write_bytes(pickle.dumps(([Evil()], [{}])))
    with pytest.raises(InputError, match="exec"):
        read_rules(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_rules_of_the_same_folds_become_a_transform(tmp_path):
    model = write_model(tmp_path)
    stated = {
        "postprocessing_fns": ["remove_all_but_largest_component_from_segmentation"],
        "postprocessing_kwargs": [{"labels_or_regions": [1, 2]}],
    }
    for folds in ("0", "0_1"):
        (model / f"crossval_results_folds_{folds}").mkdir()
        (model / f"crossval_results_folds_{folds}" / "postprocessing.json").write_text(json.dumps(stated))
    root = import_nnunet(model, tmp_path / "bundle").bundle.root
    last = json.loads((root / "configs" / "inference.json").read_text())["postprocessing"]["transforms"][-1]
    assert last["_target_"].endswith("KeepLargestPartsd")
    assert last["rules"] == [[1, 2]]
    shutil.rmtree(model / "crossval_results_folds_0")
    other = import_nnunet(model, tmp_path / "other")
    assert any("not used for fold 0" in sentence for sentence in other.sentences)


# --- what is refused


def _plans(**changed):
    stated = plans()
    stated["configurations"]["3d_fullres"] |= changed
    return stated


def _architecture(**changed):
    stated = plans()
    stated["configurations"]["3d_fullres"]["architecture"] |= changed
    return stated


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trainer": "nnUNetTrainerMine"}, "custom trainer 'nnUNetTrainerMine'"),
        ({"stated": _plans(previous_stage="3d_lowres")}, "second stage of a cascade"),
        ({"stated": _plans(preprocessor_name="MyPreprocessor")}, "MyPreprocessor"),
        ({"stated": _plans(normalization_schemes=["MyNormalization"])}, "MyNormalization"),
        ({"stated": _plans(resampling_fn_data="my_resampling")}, "my_resampling"),
        ({"stated": _architecture(network_class_name="mine.Net")}, "mine.Net"),
        ({"stated": {**plans(), "label_manager": "Mine"}}, "Mine"),
        ({"stated": {**plans(), "image_reader_writer": "NaturalImage2DIO"}}, "NaturalImage2DIO"),
        ({"stated": {**plans(), "transpose_forward": [0, 0, 1]}}, "transpose_forward"),
        ({"described": dataset({"background": 0, "a": 1, "b": 5})}, "without gaps"),
        ({"described": dataset({"a": 1, "b": 2})}, "background"),
        ({"described": dataset(channels=("T1", "T2"))}, "normalises 1 channels"),
        ({"outputs": 2}, "not those of the network"),
        ({"network_weights": {}}, "no checkpoint of nnU-Net v2"),
    ],
)
def test_what_cannot_be_taken_over_is_one_sentence_and_nothing_is_written(tmp_path, given, said):
    model = write_model(tmp_path / "results", **given)
    with pytest.raises(InputError, match=said):
        import_nnunet(model, tmp_path / "new" / "bundle")
    assert not (tmp_path / "new").exists()


def test_a_custom_trainer_is_taken_on_the_users_word(tmp_path):
    model = write_model(tmp_path, trainer="nnUNetTrainerMine")
    assert import_nnunet(model, tmp_path / "bundle", plain_trainer=True).bundle.has_weights


def test_folds_that_disagree(tmp_path):
    model = write_model(tmp_path, folds=("0", "1"))
    file = model / "fold_1" / "checkpoint_final.pth"
    with torch.serialization.safe_globals([]):
        content = torch.load(file, weights_only=False)
    torch.save({**content, "inference_allowed_mirroring_axes": (0,)}, file)
    with pytest.raises(InputError, match="fold 0 and fold 1 disagree in their mirrored axes"):
        import_nnunet(model, tmp_path / "bundle")


class Foreign:
    """What no checkpoint holds."""


def test_a_checkpoint_with_objects_is_refused(tmp_path):
    model = write_model(tmp_path, foreign=Foreign())
    with pytest.raises(InputError, match="holds more than tensors"):
        import_nnunet(model, tmp_path / "bundle")


def test_a_model_of_version_1_and_a_folder_of_something_else(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "plans.pkl").write_bytes(b"")
    with pytest.raises(InputError, match="nnU-Net v1"):
        import_nnunet(tmp_path / "old")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no plans\.json beside a dataset\.json"):
        import_nnunet(tmp_path / "empty")


def test_an_archive_that_climbs_out_leaves_nothing(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as packed:
        packed.writestr("../../evil.txt", "x")
    with pytest.raises(InputError, match="outside its folder"):
        import_nnunet(tmp_path / "model.zip", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    assert not (tmp_path.parent / "evil.txt").exists()


def test_a_folder_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="exists already"):
        import_nnunet(write_model(tmp_path / "results"), tmp_path / "bundle")
    assert [path.name for path in (tmp_path / "bundle").iterdir()] == ["mine.txt"]
