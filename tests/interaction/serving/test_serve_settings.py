"""The settings of `monai-unet serve`: one file, checked; what would be unsafe is refused."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from monai_unet.cli import main
from monai_unet.errors import InputError
from monai_unet.interaction.serving import ServeSettings, check_settings, read_settings
from monai_unet.interaction.serving.settings import read_key

pytest.importorskip("blosc2")

DOCS = Path(__file__).parents[3] / "docs" / "serving.md"


def written(folder: Path, text: str) -> Path:
    path = folder / "serve.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 1", r"'prot' is no setting of the server; did you mean 'port'\?"),
        ('port = "1527"', "'port' must be a whole number"),
        ("port = 99999", "'port' must be from 0 to 65535"),
        ("sessions = 0", "'sessions' must be from 1"),
        ("sessions = true", "'sessions' must be a whole number"),
        ('images = "tape"', "'images' must be one of disk, memory"),
        ("idle_seconds = nan", "'idle_seconds' must be from"),
        ("port = ", "is no TOML file"),
    ],
)
def test_a_wrong_setting_is_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_settings(written(tmp_path, text))


def test_the_command_line_stands_above_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'bundle = "classical"\nport = 4000\nidle_seconds = 60\n')
    assert read_settings(path, port=5000, host=None) == ServeSettings(bundle="classical", port=5000, idle_seconds=60.0)
    with pytest.raises(InputError, match="cannot be read"):
        read_settings(tmp_path / "none.toml")


def test_other_computers_need_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NN_INTERACTIVE_API_KEY", raising=False)
    assert read_key(ServeSettings()) == ""
    for host in ("0.0.0.0", "192.0.2.1", "::", "hospital.example"):
        with pytest.raises(InputError, match="can be reached by other computers: name a key"):
            read_key(ServeSettings(host=host))
    (tmp_path / "key").write_text("short\n")
    with pytest.raises(InputError, match="less than 16 plain letters"):
        read_key(ServeSettings(key_file=str(tmp_path / "key")))
    (tmp_path / "key").write_text("0123456789abcdef\nnot this\n")
    assert read_key(ServeSettings(host="0.0.0.0", key_file=str(tmp_path / "key"))) == "0123456789abcdef"
    with pytest.raises(InputError, match="cannot be read"):
        read_key(ServeSettings(key_file=str(tmp_path / "nokey")))


def test_check_looks_at_model_and_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "port = 0\n")
    assert main(["serve", "--config", str(path), "--check"]) == 0
    said = capsys.readouterr().out
    assert "answers by lesion_editor" in said
    assert main(["serve", "--config", str(path), "--check", "--bundle", "hippocampus_mri"]) == 1
    assert "answers no prompts" in capsys.readouterr().err
    assert main(["serve", "--config", str(path), "--check", "--bundle", "nothing"]) == 1
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="stop what has it"):
        check_settings(ServeSettings(port=taken.getsockname()[1]))


def test_the_file_in_the_docs_is_sound(tmp_path: Path) -> None:
    if not DOCS.is_file():
        pytest.skip("needs the source tree")
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    settings = read_settings(written(tmp_path, text))
    assert settings.key_file
    assert set(re.findall(r"^(\w+) =", text, flags=re.MULTILINE)) == set(ServeSettings.__dataclass_fields__)
