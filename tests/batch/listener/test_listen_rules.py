"""The one file of the listener: what it means, and one sentence for each fault."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from monai_unet.cli import main
from monai_unet.errors import InputError

pytest.importorskip("pynetdicom")
pytest.importorskip("fcntl")

from monai_unet.batch.listener import read_listen_settings

GOOD = """
listen: {queue: q, allow: [CT1]}
servers:
  pacs: {host: 127.0.0.1, port: 104, ae_title: PACS}
rules:
  - {name: scouts, when: {ImageType: LOCALIZER}, ignore: true}
  - name: hippocampus
    when: {Modality: ^MR$, SeriesDescription: "(?i)t1"}
    bundle: hippocampus_mri
    min_images: 20
    send: [seg, sr, sc]
    to: pacs
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_rules_are_tried_in_their_order(tmp_path: Path) -> None:
    file = read_listen_settings(_written(tmp_path, GOOD))
    assert file.settings.queue == tmp_path / "q"
    assert file.settings.address == "127.0.0.1"
    mr = {"Modality": "MR", "SeriesDescription": "Sag T1 3D", "ImageType": "ORIGINAL\\PRIMARY"}
    names = [
        (mr, 30, "hippocampus"),
        ({**mr, "ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}, 30, "scouts"),
        (mr, 3, None),
        ({**mr, "Modality": "MRX"}, 30, None),
        ({}, 30, None),
    ]
    for values, images, name in names:
        rule = file.rule_for(values, images)
        assert (rule.name if rule else None) == name


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: f["listen"].pop("queue"), "at least the folder 'queue:'"),
        (lambda f: f["listen"].pop("allow"), "which AE titles may send"),
        (lambda f: f["listen"].update(adress="0.0.0.0"), "is address meant"),
        (lambda f: f["listen"].update(quiet_seconds=0), "quiet_seconds must be more than 0"),
        (lambda f: f["listen"].update(address="10.0.0.1", http_port=80), "needs an http_token"),
        (lambda f: f["listen"].update(port=0), "nothing could come"),
        (lambda f: f.update(rules=[]), "has no rules"),
        (lambda f: f["rules"][1].update(when={}), "matches everything"),
        (lambda f: f["rules"][1].update(when={"Modality": ".*"}), "matches everything"),
        (lambda f: f["rules"][0].update(when={}), "never applies"),
        (lambda f: f["rules"][1].update(when={"Modality": "("}), "the pattern of Modality is wrong"),
        (lambda f: f["rules"][1].update(when={"modality": "MR"}), "no keyword of DICOM"),
        (lambda f: f["rules"][1].update(send=["seq"]), "no result 'seq'"),
        (lambda f: f["rules"][1].update(send=["sc"]), "never instead"),
        (lambda f: f["rules"][1].update(to="packs"), "none of the servers"),
        (lambda f: f["rules"][1].pop("to"), "give both or neither"),
        (lambda f: f["rules"][1].pop("bundle"), "name the model"),
        (lambda f: f["rules"][0].update(name="hippocampus"), "two rules are called"),
        (lambda f: f["rules"][0].update(bundle="x"), "a rule that ignores"),
    ],
)
def test_a_fault_of_the_rules_is_one_sentence(tmp_path: Path, change, sentence: str) -> None:
    stated = yaml.safe_load(GOOD)
    change(stated)
    with pytest.raises(InputError, match=sentence) as caught:
        read_listen_settings(_written(tmp_path, yaml.safe_dump(stated)))
    assert "\n" not in str(caught.value)


def test_check_says_what_the_file_means_and_which_model_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path, GOOD)
    assert main(["listen", str(path), "--check"]) == 0
    said = capsys.readouterr().out
    assert "seg, sr, sc to pacs" in said
    assert "left alone" in said
    assert not (tmp_path / "q").exists()
    _written(tmp_path, GOOD.replace("hippocampus_mri", "brain_tumor_mri"))
    assert main(["listen", str(path), "--check"]) == 1
    assert "a rule names one" in capsys.readouterr().err
    _written(tmp_path, GOOD.replace("hippocampus_mri", "no_such_model"))
    assert main(["listen", str(path), "--check"]) == 1
    assert "no_such_model" in capsys.readouterr().err
