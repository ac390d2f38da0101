"""One description of a bundle: ours, foreign, odd and broken ones."""

import json
import re
from pathlib import Path

import pytest
from foreign_bundles import BRATS_METADATA, SPLEEN_METADATA

from monai_unet.bundle_format import catalogue
from monai_unet.bundle_format.catalogue import Bundle, find_bundle
from monai_unet.bundle_format.metadata import describe, tuned_metadata
from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.io.datasets.channel import ExpectedInput
from monai_unet.io.palette import label_color

ROOT = Path(__file__).parents[2]


def foreign(image=None, pred=None):
    """Metadata of a bundle that is not ours, by the description of its image and its prediction."""
    return {"network_data_format": {"inputs": {"image": image or {}}, "outputs": {"pred": pred or {}}}}


def channels(metadata):
    return [channel.name for channel in describe(metadata).channels]


def write(folder, text, *, name="broken"):
    """A bundle with weights whose metadata is this text, or these bytes."""
    root = folder / name
    for part in ("configs", "models"):
        (root / part).mkdir(parents=True)
    (root / "models" / "model.pt").write_bytes(b"weights")
    path = root / "configs" / "metadata.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Bundle(name, root, built_in=False)


# name: kind, channels (name, modality, optional), labels (value, name, SNOMED), outputs, spacing, halo, mean score
SHIPPED = {
    "brain_tumor_mri": (
        "segmentation",
        [(name, "MR", True) for name in ("FLAIR", "T1", "T1c", "T2")],
        [
            (1, "necrotic and non-enhancing core", "6574001"),
            (2, "oedema", "79654002"),
            (3, "enhancing tumour", "86049000"),
        ],
        ("whole tumour", "tumour core", "enhancing tumour"),
        ((2.0, 2.0, 2.0), None, 0.638),
    ),
    "brain_tumor_t1c": (
        "segmentation",
        [("T1c", "MR", False)],
        [(1, "brain tumour", "126952004")],
        ("brain tumour",),
        ((6.5, 1.5, 1.5), None, 0.760),
    ),
    "head_neck_ct": (
        "segmentation",
        [("CT", "CT", False)],
        [
            (1, "brainstem", "119238007"),
            (2, "spinal cord", "2748008"),
            (3, "right parotid", "45289007"),
            (4, "left parotid", "45289007"),
        ],
        ("background", "brainstem", "spinal cord", "right parotid", "left parotid"),
        ((2.5, 3.90625, 3.90625), 16, 0.752),
    ),
    "hippocampus_mri": (
        "segmentation",
        [("T1", "MR", False)],
        [(1, "anterior hippocampus", "5366008"), (2, "posterior hippocampus", "5366008")],
        ("background", "anterior hippocampus", "posterior hippocampus"),
        ((1.0, 1.0, 1.0), None, 0.89),
    ),
    "lesion_editor": (
        "editor",
        [("image", "MR", False)],
        [(1, "object", "52988006")],
        ("object (logit)",),
        (None, None, None),
    ),
    "sarcoma_mri": (
        "segmentation",
        [("T1", "MR", False)],
        [(1, "soft-tissue sarcoma", "424952003")],
        ("background", "soft-tissue sarcoma"),
        ((4.0, 4.0, 4.0), None, 0.683),
    ),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_facts_of_the_shipped_bundles(name):
    kind, inputs, labels, outputs, (spacing, halo, mean) = SHIPPED[name]
    found = find_bundle(name).description
    assert (found.kind, found.axes, found.version) == (kind, "SAR", "0.1.0")
    assert [(c.name, c.modality, c.optional) for c in found.channels] == inputs
    assert [(label.value, label.name, label.snomed_code) for label in found.labels] == labels
    assert (found.outputs, found.spacing_mm, found.halo) == (outputs, spacing, halo)
    assert found.regions == (outputs if name == "brain_tumor_mri" else ())
    assert found.scores.get("mean") == mean
    assert re.fullmatch("[0-9a-f]{64}", found.weights_sha256)
    assert "monai-unet" in found.copyright
    assert all(c.synonyms for c in found.channels)


def test_expected_images_and_colours_come_as_the_file_states_them():
    head_neck = find_bundle("head_neck_ct").description
    expected = head_neck.channels[0].expected
    assert (expected.modality, expected.intensity, len(expected.appearance)) == ("CT", (-1024.0, 1297.0), 512)
    assert expected.extent == ((97.44, 234.36, 187.488), (384.0, 319.125, 619.516))
    assert head_neck.labels[3].color == (204, 121, 167)
    assert find_bundle("lesion_editor").description.channels[0].expected == ExpectedInput()


def test_every_shipped_bundle_is_described():
    assert {bundle.name for bundle in catalogue.find_bundles() if bundle.built_in} == set(SHIPPED)


def test_a_bundle_of_the_zoo_has_the_same_labels_and_channels_for_everyone(tmp_path):
    """Before, the command line named {1: spleen} and the dock {}."""
    description = write(tmp_path, json.dumps(SPLEEN_METADATA)).description
    assert description.label_names == {1: "spleen"}
    assert description.labels[0].color == label_color(1)
    assert [channel.name for channel in description.inputs] == ["image"]
    assert description.version == "0.5.0"


def test_regions_are_named_as_outputs_and_their_values_are_not():
    brats = describe(BRATS_METADATA)
    assert brats.labels == ()
    assert brats.regions == ("Tumor core", "Whole tumor", "Enhancing tumor")
    assert [channel.name for channel in brats.channels] == ["T1c", "T1", "T2", "FLAIR"]
    assert brats.label(4).name == "class 4"
    assert brats.label(4).color == label_color(4)


@pytest.mark.parametrize(
    ("image", "names"),
    [
        ({"num_channels": 2}, ["channel 0", "channel 1"]),
        ({"num_channels": 2, "channel_def": {"1": "PET", "0": "CT"}}, ["CT", "PET"]),
        ({"num_channels": 2, "channel_def": {"1": "CT", "2": "PET"}}, ["CT", "PET"]),
        ({"num_channels": 3, "channel_def": {"0": "CT", "2": "PET"}}, ["CT", "channel 1", "PET"]),
        ({"num_channels": "2", "channel_def": {"0": "T1", "1": "T1"}}, ["T1", "T1 (1)"]),
        # spleen_deepedit_annotation 0.5: two of three channels are made from clicks
        ({"num_channels": 3, "channel_def": {"0": "image"}}, ["image"]),
        ({"num_channels": None, "channel_def": None}, []),
    ],
)
def test_channels_are_numbered_as_channel_def_numbers_them(image, names):
    assert channels(foreign(image)) == names


def test_the_image_is_found_among_other_tensors():
    side = {"points": {"type": "tuples"}, "ct": {"type": "image", "channel_def": {"0": "CT"}, "modality": "MRI"}}
    found = describe({"network_data_format": {"inputs": side}})
    assert [(channel.name, channel.modality) for channel in found.channels] == [("CT", "MR")]


@pytest.mark.parametrize(
    ("pred", "names"),
    [
        ({"num_channels": 3}, {1: "class 1", 2: "class 2"}),
        ({"num_channels": 1}, {1: "class 1"}),
        ({}, {}),
        # CoronSegmentator 1.0: one channel is thresholded, and its value is 1
        ({"num_channels": 1, "channel_def": {"0": "Coronary artery"}}, {1: "Coronary artery"}),
        # vista3d 0.6: one channel of values, more names than channels
        (
            {"num_channels": 1, "channel_def": {"0": "background", "1": "liver", "132": "airway"}},
            {1: "liver", 132: "airway"},
        ),
        ({"num_channels": 3, "channel_def": {"0": "Background", "1": "", "2": "cyst"}}, {1: "class 1", 2: "cyst"}),
        ({"num_channels": 3, "channel_def": {"1": "liver", "2": "cyst"}}, {1: "liver", 2: "cyst"}),
        ({"num_channels": 3, "channel_def": {"0": "background"}}, {1: "class 1", 2: "class 2"}),
        ({"num_channels": 3, "channel_def": {"0": "BG", "1": "cyst", "2": "cyst"}}, {1: "cyst", 2: "cyst (2)"}),
        ({"num_channels": 2, "channel_def": {"0": "liver", "1": "spleen"}}, {}),
    ],
)
def test_labels_are_values_and_the_background_is_none(pred, names):
    assert describe(foreign(pred=pred)).label_names == names


def test_a_bundle_that_says_nothing_is_asked_for_one_image():
    empty = describe({})
    assert (empty.channels, empty.labels, empty.kind) == ((), (), "segmentation")
    assert [channel.name for channel in empty.inputs] == ["channel 0"]


def test_own_words_come_before_those_of_monai():
    metadata = foreign({"num_channels": 1, "channel_def": {"0": "image"}}, {"num_channels": 2})
    metadata["monai_unet"] = {"labels": [{"value": 7, "name": "cyst"}, {"value": 2, "name": "liver"}]}
    found = describe(metadata)
    assert found.label_names == {2: "liver", 7: "cyst"}
    assert found.labels[0].color == label_color(2)
    assert [channel.name for channel in found.channels] == ["image"]


def test_texts_may_be_numbers_and_lists():
    found = describe({"version": 0.5, "authors": ["A", "B"], "license": None, "eval_metrics": {"dice": 0.9, "x": {}}})
    assert (found.version, found.authors, found.license) == ("0.5", "A, B", "")
    assert dict(found.scores) == {"dice": 0.9}


def test_a_description_cannot_be_changed():
    found = find_bundle("hippocampus_mri").description
    with pytest.raises(AttributeError):
        found.labels = ()
    with pytest.raises(TypeError):
        found.scores["mean"] = 1.0
    assert find_bundle("hippocampus_mri").description is found


def test_a_changed_file_is_read_again(tmp_path):
    bundle = write(tmp_path, '{"version": "1"}')
    assert bundle.description.version == "1"
    bundle.metadata_file.write_text('{"version": "1.0.1"}')
    assert bundle.description.version == "1.0.1"


BROKEN = {
    "{": "cannot be read as JSON",
    "": "cannot be read as JSON",
    "[1]": "holds a list where a JSON object",
    "3": "holds a single value",
    '{"copyright": "Universität"}'.encode("latin-1"): "is not text in UTF-8 .byte 24 is 0xe4.; save it as UTF-8",
    "[" * 100_000: "nested too deeply",
    '{"monai_unet": 3}': "'monai_unet' must be an object",
    '{"monai_unet": {"kind": "classifier"}}': "'monai_unet.kind' must be segmentation or editor, got \"classifier\"",
    '{"monai_unet": {"labels": [{"value": "x", "name": "a"}]}}': r"'monai_unet.labels\[0\].value' must be a whole",
    '{"monai_unet": {"labels": [{"value": 0, "name": "a"}]}}': r"'monai_unet.labels\[0\].value' must be a whole",
    '{"monai_unet": {"labels": [{"value": true, "name": "a"}]}}': r"'monai_unet.labels\[0\].value' must be a whole",
    '{"monai_unet": {"labels": [{"value": 1}]}}': r"'monai_unet.labels\[0\].name' must be the label's name, got null",
    '{"monai_unet": {"labels": [{"value": 1, "name": "a", "color": [1, 2]}]}}': "must be a colour",
    '{"monai_unet": {"channels": ["T1"]}}': r"'monai_unet.channels\[0\]' must be an object",
    '{"monai_unet": {"channels": [{"name": "T1"}, {"name": "T1"}]}}': "must be channels of different names",
    '{"monai_unet": {"channels": [{"name": "T1", "optional": "no"}]}}': "must be true or false",
    '{"monai_unet": {"channels": [{"name": "T1", "expected": {"spacing": [1, 2]}}]}}': "must be a list of 3 numbers",
    '{"monai_unet": {"spacing_mm": [1, 1]}}': "'monai_unet.spacing_mm' must be a list of 3 numbers",
    '{"monai_unet": {"test_dice": {"mean": "good"}}}': "'monai_unet.test_dice.mean' must be a number",
    '{"network_data_format": []}': r"'network_data_format' must be an object \({…}\), got \[\]",
    '{"network_data_format": {"inputs": {"image": {"num_channels": "one"}}}}': "num_channels' must be a whole number",
    '{"network_data_format": {"inputs": {"image": {"num_channels": 1e99}}}}': "num_channels' must be a whole number",
    '{"network_data_format": {"inputs": {"image": {"channel_def": ["T1"]}}}}': "channel_def' must be an object",
    '{"network_data_format": {"inputs": {"image": {"channel_def": {"a": "T1"}}}}}': "channel_def.a' must be a whole",
    '{"version": {"major": 1}}': "'version' must be a text",
}


@pytest.mark.parametrize(("text", "words"), BROKEN.items(), ids=range(len(BROKEN)))
def test_broken_metadata_is_an_error_with_its_path_and_place(tmp_path, text, words):
    bundle = write(tmp_path, text)
    with pytest.raises(InputError, match=words) as error:
        bundle.description  # noqa: B018
    assert str(error.value).startswith(str(bundle.metadata_file))
    assert bundle.problem == str(error.value)
    assert "\n" not in bundle.problem


def test_lists_go_on_past_broken_bundles(tmp_path, monkeypatch, capsys):
    """Before, one such file ended `monai-unet bundles` and the dock's list with a traceback."""
    monkeypatch.setattr(catalogue, "user_folder", lambda: tmp_path / "none")
    monkeypatch.setenv(catalogue.VARIABLE, str(tmp_path))
    for number, text in enumerate(BROKEN):
        write(tmp_path, text, name=f"broken_{number}")
    write(tmp_path, json.dumps(SPLEEN_METADATA), name="sound")
    assert main(["bundles", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["sound"]["problem"] == rows["hippocampus_mri"]["problem"] == ""
    assert all(rows[f"broken_{number}"]["problem"] for number in range(len(BROKEN)))
    assert main(["bundles"]) == 0
    printed = capsys.readouterr().out
    assert f"cannot be used: {tmp_path / 'broken_2' / 'configs' / 'metadata.json'} holds a list" in printed


def test_the_dock_offers_no_broken_bundle(tmp_path, monkeypatch):
    from napari_plugin.case.models import editor_bundles, usable_bundles

    monkeypatch.setenv(catalogue.VARIABLE, str(tmp_path))
    for number, text in enumerate(BROKEN):
        write(tmp_path, text, name=f"broken_{number}")
    write(tmp_path, json.dumps(SPLEEN_METADATA), name="sound")
    names = {bundle.name for bundle in usable_bundles()}
    assert "sound" in names
    assert not any(name.startswith("broken") for name in names)
    assert [bundle.name for bundle in editor_bundles()] == ["lesion_editor"]


def test_metadata_after_a_fine_tuning_says_nothing_that_was_measured_before():
    before = {"description": "A U-Net.", "monai_unet": {"test_dice": {"mean": 0.9}, "halo": 16, "halo_agreement": 1}}
    after = tuned_metadata(before, said="Tuned on 2 cases.", dice=0.5, weights_sha256="ab" * 32)
    assert after["description"] == "Tuned on 2 cases. A U-Net."
    assert after["monai_unet"] == {"halo": 16, "weights_sha256": "ab" * 32}
    assert dict(describe(after).scores) == {"mean_dice_of_fine_tuning": 0.5}
    assert before["monai_unet"]["test_dice"] == {"mean": 0.9}
    assert tuned_metadata(SPLEEN_METADATA, said="Tuned.", dice=None, weights_sha256="a")["monai_unet"] == {
        "weights_sha256": "a"
    }


def test_nothing_else_takes_metadata_apart():
    """Whoever wants to know something of a bundle asks its description."""
    words = (
        "channel_def",
        "network_data_format",
        r"\.get\(.monai_unet.",
        r"meta\w*\[.monai_unet.",
        "_meta_#monai_unet#[cl]",
    )
    raw, owner = re.compile("|".join(words)), ROOT / "monai_unet" / "bundle_format" / "metadata.py"
    room = ROOT / "monai_unet"
    writers = (room / "planning" / "write_bundle.py", room / "bundle_format" / "nnunet" / "bundle_files.py")
    packages = (ROOT / "monai_unet", ROOT / "napari_plugin", ROOT / "benchmarks")
    files = [path for package in packages for path in package.rglob("*.py")]
    files += [path for path in (ROOT / "bundles").glob("*/configs/*") if path.name != "metadata.json"]
    found = [path for path in files if path not in (owner, *writers) and raw.search(path.read_text(encoding="utf-8"))]
    assert found == []
