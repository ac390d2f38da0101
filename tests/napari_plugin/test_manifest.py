"""The manifest, and that Qt stays here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from npe2 import PluginManifest

import monai_unet
import napari_plugin
from napari_plugin.settings import DEFAULTS


def test_manifest_is_valid_with_its_imports_and_named_after_the_distribution() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "--imports", "monai-unet"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = PluginManifest.from_distribution("monai-unet")
    assert manifest.name == "monai-unet"
    assert {widget.display_name for widget in manifest.contributions.widgets or ()} == {"Tumour segmentation"}


def test_settings_of_the_manifest_are_those_of_the_code() -> None:
    manifest = PluginManifest.from_distribution("monai-unet")
    properties = manifest.contributions.configurations["reading"].properties
    assert {name: prop.default for name, prop in properties.items()} == DEFAULTS


def test_qt_stands_in_the_plugin_alone_and_modules_are_short() -> None:
    library = Path(monai_unet.__file__).parent
    for path in library.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "qtpy" not in text, path
        assert "import napari" not in text, path
    for path in Path(napari_plugin.__file__).parent.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 400, path
