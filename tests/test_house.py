"""The walls of the house, and its numbers, read from the source by tools/house.py."""

import importlib
import pkgutil

import pytest
from house import PACKAGES, ROOT, House, Module, any_lines

pytestmark = pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="needs the source tree")


@pytest.fixture(scope="module")
def house():
    return House()


def _leads(house, room, forbidden):
    """Imports, late ones included, from a room to what it must not know."""
    return [
        f"{name} → {target}"
        for name, targets in house.graph().items()
        if f"{name}.".startswith(f"{room}.")
        for target in targets
        if any(f"{target}.".startswith(f"{one}.") for one in forbidden)
    ]


def test_input_and_output_know_no_bundle(house):
    assert _leads(house, "monai_unet.io", ["monai_unet.bundle_format", "monai_unet.bundles"]) == []


def test_interaction_knows_no_evaluation(house):
    assert _leads(house, "monai_unet.interaction", ["monai_unet.evaluation"]) == []


def test_geometry_knows_nothing_but_errors(house):
    outside = {t for n, ts in house.graph().items() if n.startswith("monai_unet.geometry") for t in ts}
    assert {t for t in outside if not t.startswith("monai_unet.geometry")} <= {"monai_unet.errors"}


def test_nothing_below_the_plugin_knows_qt_or_napari(house):
    qt = {"qtpy", "PySide6", "PyQt5", "PyQt6", "superqt", "napari", "vispy", "napari_plugin"}
    below = [m for name, m in house.modules.items() if name.split(".")[0] == "monai_unet"]
    assert {m.name: m.imported_anywhere() & qt for m in below if m.imported_anywhere() & qt} == {}


def test_no_circle_of_modules_or_rooms(house):
    assert house.circles() == []
    assert house.room_circles() == []


def test_no_import_past_the_face_of_another_package(house):
    assert house.past_face() == []


def test_every_package_is_installed(house):
    assert house.packages() == house.declared_packages()


@pytest.mark.parametrize("package", sorted(House().faces))
def test_a_face_gives_what_it_names_and_hides_no_submodule(package):
    """`from package import name` must not depend on what was imported before: a loaded submodule `name` would win."""
    face = importlib.import_module(package)
    submodules = {found.name for found in pkgutil.iter_modules(face.__path__)}
    origins = House().faces[package]
    for name in face.__all__:
        getattr(face, name)
        assert name not in submodules or origins[name] in (package, f"{package}.{name}")


def test_no_two_public_classes_of_one_name(house):
    assert house.same_named_classes() == {}


def test_the_numbers_of_the_house(house):
    assert len(house.rooms()) <= 20
    for package in PACKAGES:
        count, lines = house.any_count(package)
        assert 1000 * count / lines < 10, f"{package}: {count} Any in {lines} lines"
        undescribed, of = house.undescribed(package)
        assert len(undescribed) <= 0.1 * of, "\n".join(undescribed)
        assert house.module_sizes(package)[-1][0] < 400


def test_any_is_counted_in_code_and_in_quotes_but_not_in_imports_or_prose(tmp_path):
    text = 'from typing import Any\n# Any\n"""Any"""\na: Any = 1\nb: "list[Any]" = []\nc = "Any file. Any, or none"\n'
    assert sorted(any_lines(Module("x", tmp_path, text, False))) == [4, 5]
