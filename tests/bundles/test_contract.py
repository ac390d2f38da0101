"""What every built-in bundle promises; a new folder in `bundles/` is tested without a new line here."""

import json
import re
import shutil

import pytest
import torch
import yaml
from decathlon_phantom import make_dataset
from metadata_rules import violations
from monai.bundle import ckpt_export, create_workflow, onnx_export, verify_net_in_out

from monai_unet.bundle_format.catalogue import find_bundles
from monai_unet.bundle_format.json_values import read_object
from monai_unet.bundle_format.weights import load_weights, read_tensors
from monai_unet.io import sha256_of

BUNDLES = {bundle.name: bundle for bundle in find_bundles() if bundle.built_in}
SHARED_PARTS = ("network_def", "preprocessing", "inferer", "postprocessing")
CONFIGS = ("train.yaml", "quick_train.yaml", "evaluate.yaml", "multi_gpu_train.yaml", "inference.json", "logging.conf")
MAX_WEIGHTS = 20_000_000
EDITOR_PARTS = ("network_def",)
EDITOR_CONFIGS = ("train.yaml", "inference.json", "logging.conf")


@pytest.fixture(params=sorted(BUNDLES))
def bundle(request):
    return BUNDLES[request.param]


@pytest.fixture
def dataset(bundle, tmp_path):
    return make_dataset(tmp_path / "phantom", classes=len(bundle.description.labels) + 1)


def _dataset_of(bundle, dataset, folder):
    """The phantom with its image once for each channel of the bundle, named by channel."""
    channels = [channel.name for channel in bundle.description.channels]
    if len(channels) == 1:
        return dataset
    content = json.loads((dataset / "dataset.json").read_text())
    for key in ("training", "validation", "test"):
        for entry in content[key]:
            source = dataset / entry.pop("image")
            for name in channels:
                target = folder / "images" / source.name.replace(".nii.gz", f"_{name}.nii.gz")
                target.parent.mkdir(exist_ok=True)
                shutil.copy(source, target)
                entry[name] = str(target)
            entry["label"] = str(dataset / entry["label"])
    (folder / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def _configs(bundle):
    return EDITOR_CONFIGS if bundle.kind == "editor" else CONFIGS


def _skip_editor(bundle, why):
    if bundle.kind == "editor":
        pytest.skip(why)


def _config(bundle, name):
    text = (bundle.root / "configs" / name).read_text(encoding="utf-8")
    return yaml.safe_load(text) if name.endswith("yaml") else json.loads(text)


def _workflow(bundle, name, kind, **override):
    file = str(bundle.root / "configs" / name)
    return create_workflow(config_file=file, workflow_type=kind, logging_file=False, **override)


def test_at_least_one_bundle_is_built_in():
    assert "hippocampus_mri" in BUNDLES


def test_all_files_are_there(bundle):
    wanted = [f"configs/{name}" for name in (*_configs(bundle), "metadata.json")] + ["docs/README.md", "LICENSE"]
    assert [name for name in wanted if not (bundle.root / name).is_file()] == []


def test_weights_are_a_small_plain_state_dict(bundle):
    path = bundle.root / "models" / "model.pt"
    state = read_tensors(path)
    assert state
    assert all(isinstance(tensor, torch.Tensor) and bool(tensor.isfinite().all()) for tensor in state.values())
    assert path.stat().st_size <= MAX_WEIGHTS
    assert sha256_of(path) == bundle.description.weights_sha256


@pytest.mark.parametrize("part", SHARED_PARTS)
def test_training_and_inference_have_the_same(bundle, part):
    if bundle.kind == "editor" and part not in EDITOR_PARTS:
        pytest.skip("an editor lays windows around prompts: the answerer does what this part does elsewhere")
    assert _config(bundle, "train.yaml")[part] == _config(bundle, "inference.json")[part]


def test_every_run_is_guarded_first(bundle):
    for name in _configs(bundle)[:-1]:
        config = _config(bundle, name)
        if "initialize" in config or name in ("train.yaml", "inference.json"):
            assert config["initialize"][0] == "$bundle_run.prepare()", name


def test_numbers_are_numbers(bundle):
    """YAML reads 1e-3 as text."""
    for name in (n for n in _configs(bundle) if n.endswith("yaml")):
        text = (bundle.root / "configs" / name).read_text(encoding="utf-8")
        assert not re.findall(r":\s*\d+e-?\d+\s*$", text, flags=re.MULTILINE), name


def test_metadata_follows_our_rules(bundle):
    assert list(violations(read_object(bundle.metadata_file))) == []


def test_the_card_says_what_must_be_said(bundle):
    card = (bundle.root / "docs" / "README.md").read_text(encoding="utf-8")
    for words in (
        "For research use; not a medical device",
        "Intended use",
        "Limits",
        "Licence",
        "python -m monai.bundle",
    ):
        assert words in card, words
    assert not re.search(r"\b(TBD|XX)\b", card)


def test_properties_of_inference(bundle, dataset, tmp_path):
    _skip_editor(bundle, "MONAI's inference properties describe an evaluator; an editor answers prompts")
    images = _dataset_of(bundle, dataset, tmp_path) / "images"
    workflow = _workflow(bundle, "inference.json", "infer", input=str(images))
    assert workflow.check_properties() == []


def test_properties_of_training(bundle, dataset, tmp_path):
    _skip_editor(
        bundle, "MONAI's training properties describe a SupervisedTrainer; an editor talks to a simulated user"
    )
    root = str(_dataset_of(bundle, dataset, tmp_path))
    workflow = _workflow(bundle, "train.yaml", "train", dataset_dir=root, output_dir=str(tmp_path / "out"))
    assert workflow.check_properties() == []


def _files(bundle):
    root = bundle.root / "configs"
    return {"meta_file": str(root / "metadata.json"), "config_file": str(root / "inference.json")}


def test_the_network_has_the_stated_inputs_and_outputs(bundle):
    verify_net_in_out("network_def", **_files(bundle), device="cpu", n=4)


def _network(bundle):
    workflow = _workflow(bundle, "inference.json", "infer", input=str(bundle.root / "configs"))
    network = workflow.parser.get_parsed_content("network_def")
    load_weights(network, bundle.root / "models" / "model.pt")
    return network.eval()


def _volume(bundle, size):
    channels = read_object(bundle.metadata_file)["network_data_format"]["inputs"]["image"]["num_channels"]
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(0))


def test_torchscript_export_gives_the_same_logits(bundle, tmp_path):
    weights = str(bundle.root / "models" / "model.pt")
    ckpt_export("network_def", filepath=str(tmp_path / "model.ts"), ckpt_file=weights, **_files(bundle))
    exported = torch.jit.load(tmp_path / "model.ts").eval()
    image = _volume(bundle, (37, 42, 33))
    with torch.no_grad():
        torch.testing.assert_close(exported(image), _network(bundle)(image), rtol=1e-4, atol=1e-4)


def test_onnx_export_with_dynamic_shape_gives_the_same_labels(bundle, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    axes = {0: "batch", 2: "s", 3: "a", 4: "r"}
    options = {
        "input_names": ["image"],
        "output_names": ["pred"],
        "dynamic_axes": {"image": axes, "pred": axes},
        "dynamo": False,
    }
    channels = read_object(bundle.metadata_file)["network_data_format"]["inputs"]["image"]["num_channels"]
    onnx_export(
        "network_def",
        filepath=str(tmp_path / "model.onnx"),
        ckpt_file=str(bundle.root / "models" / "model.pt"),
        use_trace=True,
        input_shape=[1, channels, 32, 32, 32],
        converter_kwargs=options,
        **_files(bundle),
    )
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    image = _volume(bundle, (40, 35, 49))
    (logits,) = session.run(None, {"image": image.numpy()})
    with torch.no_grad():
        expected = _network(bundle)(image).argmax(1)
    assert (torch.from_numpy(logits).argmax(1) == expected).float().mean() >= 0.9999
