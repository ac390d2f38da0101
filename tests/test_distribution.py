"""What is installed, and where it is found from another folder."""

import configparser
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="needs the source tree")

SHOW = """
import json, monai_unet, napari_plugin
from monai_unet.bundle_format.catalogue import find_bundles
print(json.dumps({
    "package": monai_unet.__file__,
    "bundles": {b.name: [str(b.root), b.built_in, b.has_weights] for b in find_bundles()},
}))
"""


def _source(folder):
    """The files of the project as git has them, without what was built beside them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return _source(tmp_path_factory.mktemp("source"))


def _pip(*words, python=sys.executable):
    command = [python, "-m", "pip", *words, "--no-deps", "--no-build-isolation", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _environment(folder):
    """An empty virtual environment that sees this one's packages, but not its installation of this project."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    (Path(site) / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return scripts / "python"


def _shown(python, folder):
    import json

    done = subprocess.run([str(python), "-W", "ignore", "-c", SHOW], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _bundle_names():
    return {p.parent.parent.name for p in (ROOT / "bundles").glob("*/configs/metadata.json")}


def test_the_wheel_is_small_holds_all_weights_and_no_top_level_bundles(source, tmp_path):
    _pip("wheel", str(source), "--wheel-dir", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("monai_unet-")
    assert wheel.stat().st_size <= 80e6
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert top == {"monai_unet", "napari_plugin"}
    for bundle in _bundle_names():
        for file in ("models/model.pt", "configs/metadata.json", "configs/inference.json", "docs/README.md", "LICENSE"):
            assert f"monai_unet/bundles/{bundle}/{file}" in names
    assert "monai_unet/evaluation/report.html" in names


@pytest.mark.parametrize("editable", [False, True], ids=["install", "editable install"])
def test_an_installation_finds_its_bundles_from_another_folder(source, tmp_path, editable):
    python = _environment(tmp_path / "venv")
    words = ["install", *(["--editable"] if editable else []), str(source)]
    _pip("--python", str(python), *words)
    shown = _shown(python, tmp_path)
    home = source if editable else tmp_path / "venv"
    assert Path(shown["package"]).is_relative_to(home)
    built_in = {name: found for name, found in shown["bundles"].items() if found[1]}
    assert set(built_in) == _bundle_names()
    for root, _, has_weights in built_in.values():
        assert Path(root).is_relative_to(home)
        assert has_weights


def test_every_folder_with_code_is_a_listed_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {
        ".".join(folder.relative_to(ROOT).parts)
        for top in ("monai_unet", "napari_plugin")
        for folder in [ROOT / top, *(ROOT / top).rglob("*")]
        if folder.is_dir() and list(folder.glob("*.py"))
    }
    assert listed == found | {"monai_unet.bundles"}


def test_importing_the_core_loads_no_qt():
    code = (
        "import sys, monai_unet.segmentation.segmenter, monai_unet.cli, monai_unet.evaluation, monai_unet.io\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('PySide6', 'PyQt6', 'PyQt5', 'qtpy', 'napari')])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_help_page_is_quick_and_lists_each_command():
    from monai_unet.cli import COMMANDS

    command = [sys.executable, "-X", "importtime", "-m", "monai_unet", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert all(name in done.stdout for name in COMMANDS)
    assert " torch\n" not in done.stderr
