import importlib.metadata
import json

from monai_unet.cli import doctor, main


def test_the_report_has_versions_machine_and_a_timed_segmentation(capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["packages"]["monai"] == importlib.metadata.version("monai")
    assert report["segmentation"]["works"]
    assert report["segmentation"]["seconds_for_64x64x64"] > 0
    assert 0 < report["memory_gb"]["free"] <= report["memory_gb"]["total"]


def test_what_is_missing_is_named_with_the_way_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "OPTIONAL", (("no_such_module", "better weather", "pip install sun"),))
    monkeypatch.setattr(doctor, "_timed_segmentation", lambda: {"works": False, "problem": "no weights"})
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "missing       no_such_module (better weather): pip install sun" in printed
    assert "does not work: no weights" in printed
