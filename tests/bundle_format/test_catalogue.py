import json

import pytest

from monai_unet.bundle_format import catalogue
from monai_unet.cli import main
from monai_unet.errors import InputError


def _make_bundle(folder, name):
    (folder / name / "configs").mkdir(parents=True)
    (folder / name / "configs" / "metadata.json").write_text(
        json.dumps({"version": "1.0.0", "task": f"task of {name}"})
    )
    return folder / name


def test_bundles_are_found_in_each_place_and_the_first_of_a_name_wins(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "user_folder", lambda: tmp_path / "user")
    monkeypatch.setenv(catalogue.VARIABLE, str(tmp_path / "named"))
    mine = _make_bundle(tmp_path / "user", "mine")
    _make_bundle(tmp_path / "named", "mine")
    _make_bundle(tmp_path / "named", "hippocampus_mri")
    other = _make_bundle(tmp_path / "named", "other")
    found = {bundle.name: bundle for bundle in catalogue.find_bundles()}
    assert found["mine"].root == mine
    assert found["other"].root == other
    assert found["hippocampus_mri"].built_in
    assert not found["mine"].built_in


def test_a_folder_is_a_bundle_by_its_path(tmp_path):
    root = _make_bundle(tmp_path, "elsewhere")
    bundle = catalogue.find_bundle(root)
    assert (bundle.name, bundle.root, bundle.built_in) == ("elsewhere", root, False)
    assert catalogue.find_bundle(catalogue.built_in_folder() / "hippocampus_mri").built_in


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"no bundle called 'hippocampus'.*hippocampus_mri"):
        catalogue.find_bundle("hippocampus")


def test_the_command_lists_names_tasks_and_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(catalogue.VARIABLE, str(tmp_path))
    _make_bundle(tmp_path, "empty")
    assert main(["bundles"]) == 0
    printed = capsys.readouterr().out
    assert "hippocampus_mri" in printed
    assert "task of empty  (no weights; not built in" in printed
    assert main(["bundles", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["hippocampus_mri"]["weights"]
    assert not rows["empty"]["weights"]
