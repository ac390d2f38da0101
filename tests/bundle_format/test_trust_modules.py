"""Code of one bundle never serves another, whichever comes first and whenever it is imported."""

import gc
import sys

import pytest
import torch
from bundles_made_here import write_bundle, write_scripts

from monai_unet.bundle_format import find_bundle, require_trust
from monai_unet.bundle_format.parts import build_parts
from monai_unet.bundle_format.trust import trusted_copy
from monai_unet.interaction.answering import NetworkAnswerer

IMAGE = torch.zeros(1, 1, 4, 4, 4)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    before, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    assert sys.path == before
    assert not {name for name in set(sys.modules) - modules if name.partition(".")[0] in ("scripts", "net", "helper")}


def built(root):
    bundle = find_bundle(root)
    require_trust(bundle, consent=True)
    return build_parts(bundle, device=torch.device("cpu"))


def asked(parts):
    """Whose modules a bundle's network gets when it imports while it runs."""
    parts.network(IMAGE)
    return set(parts.network.asked)


def test_two_bundles_with_scripts_each_run_their_own_in_any_order(place):
    one, two = write_bundle(place / "Q1", "Q1"), write_bundle(place / "Q2", "Q2")
    first, second, again = built(one), built(two), built(one)
    assert [parts.network.who for parts in (first, second, again)] == ["Q1", "Q2", "Q1"]
    # imported for the first time now, the later bundle before the earlier one
    assert asked(second) == {"Q2"}
    assert asked(first) == asked(again) == {"Q1"}
    assert asked(second) == {"Q2"}


def test_what_only_the_other_bundle_has_is_not_found(place):
    one, two = write_bundle(place / "Q1", "Q1"), write_bundle(place / "Q2", "Q2")
    (two / "scripts" / "late.py").unlink()
    first, second = built(one), built(two)
    assert asked(first) == {"Q1"}
    with pytest.raises(ModuleNotFoundError, match="late"):
        asked(second)


def test_a_bundle_without_scripts_gets_none(place):
    first = built(write_bundle(place / "Q1", "Q1"))
    two = write_bundle(place / "Q2", "Q2")
    for path in (two / "scripts").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="cannot be built"):
        built(two)
    assert asked(first) == {"Q1"}


CONFIGS = {
    "from": {"imports": ["$from scripts.net import Net as N"], "network_def": "$N()"},
    "import": {"imports": ["$import scripts", "$import scripts.net"], "network_def": "$scripts.net.Net()"},
    "import as": {"imports": ["$import scripts.net as mine"], "network_def": "$mine.Net()"},
    "importlib": {
        "imports": ["$import importlib"],
        "network_def": "$importlib.import_module('scripts.net').Net()",
    },
    "import_module": {
        "imports": ["$from importlib import import_module as load"],
        "network_def": "$load('scripts.net').Net()",
    },
    "__import__": {"network_def": "$__import__('scripts.net', fromlist=['Net']).Net()"},
    "in a list": {"network_def": "$[__import__('scripts.net').net.Net() for _ in 'a'][0]"},
    "callable": {"network_def": "$@made()", "made": {"_target_": "scripts.net.Net", "_mode_": "callable"}},
    "macro": {"network_def": "%other", "other": {"_target_": "scripts.net.Net"}},
}


@pytest.mark.parametrize("how", CONFIGS)
def test_every_way_in_which_a_config_names_its_modules(place, how):
    roots = [write_bundle(place / name, name, **CONFIGS[how]) for name in ("Q1", "Q2", "Q3")]
    parts = [built(root) for root in roots]
    assert [part.network.who for part in parts] == ["Q1", "Q2", "Q3"]
    assert [asked(part) for part in reversed(parts)] == [{"Q3"}, {"Q2"}, {"Q1"}]


WAYS = {
    "relative": "from .late import WHO as late\n",
    "relative package": "from . import late as module\nlate = module.WHO\n",
    "star": "from scripts.late import *\nlate = WHO\n",
    "path of the file": (
        "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\nfrom late import WHO as late\n"
    ),
    "path of the root": (
        "import os, sys\nsys.path.append(os.path.dirname(os.path.dirname(__file__)))\nimport scripts.late\n"
        "late = scripts.late.WHO\n"
    ),
    "importlib.util": (
        "import importlib.util, os, sys\n"
        "spec = importlib.util.spec_from_file_location('late', os.path.join(os.path.dirname(__file__), 'late.py'))\n"
        "module = importlib.util.module_from_spec(spec)\nsys.modules['late'] = module\n"
        "spec.loader.exec_module(module)\n"
        "import late as module\nlate = module.WHO\n"
    ),
    "relative import_module": "import importlib\nlate = importlib.import_module('.late', __package__).WHO\n",
    "a folder without __init__": "from more.helper import WHO as late\n",
    "a module of the root": "import helper\nlate = helper.WHO\n",
}


@pytest.mark.parametrize("how", WAYS)
def test_every_way_in_which_a_bundles_code_names_its_siblings(place, how):
    parts = []
    for name in ("Q1", "Q2", "Q1 again"):
        who = name.split()[0]
        root = write_bundle(place / name, who)
        (root / "more").mkdir()
        (root / "more" / "helper.py").write_text(f"WHO = {who!r}\n")
        (root / "helper.py").write_text(f"WHO = {who!r}\n")
        source = "\n".join(f"    {line}" for line in WAYS[how].splitlines() if "*" not in line)
        at_import = "" if "*" not in WAYS[how] else "from scripts.late import *\n"
        net = root / "scripts" / "net.py"
        lazily = f"\n{at_import}\ndef find():\n{source or '    late = WHO'}\n    return late\n"
        net.write_text(net.read_text() + lazily + "\nAT_ONCE = find()\n")
        parts.append(built(root))
    for part, who in zip(parts, ("Q1", "Q2", "Q1"), strict=True):
        module = sys.modules[type(part.network).__module__]
        assert module.AT_ONCE == module.find() == who


def test_a_module_that_the_code_registers_under_a_plain_name_is_found_by_its_bundle_alone(place):
    one, two = write_bundle(place / "Q1", "Q1"), write_bundle(place / "Q2", "Q2")
    source = (
        "import sys, types\nmodule = types.ModuleType('plain')\nmodule.__file__ = __file__\nmodule.WHO = 'Q1'\n"
        "sys.modules['plain'] = module\nimport plain\nWHO = plain.WHO\n"
    )
    (one / "scripts" / "late.py").write_text(source)
    (two / "scripts" / "late.py").write_text("import plain\nWHO = plain.WHO\n")
    first, second = built(one), built(two)
    assert asked(first) == {"Q1"}
    with pytest.raises(ModuleNotFoundError, match="plain"):
        asked(second)


def test_a_folder_that_the_code_names_by_the_users_path_is_read_in_the_copy(place):
    root = write_bundle(place / "Q1", "agreed")
    (root / "lib").mkdir()
    (root / "lib" / "helper.py").write_text("WHO = 'agreed'\n")
    by_path = f"import sys\nsys.path.insert(0, {str(root / 'lib')!r})\nimport helper\nWHO = helper.WHO\n"
    (root / "scripts" / "late.py").write_text(by_path)
    parts = built(root)
    (root / "lib" / "helper.py").write_text("WHO = 'changed'\n")
    assert asked(parts) == {"agreed"}
    assert str(root / "lib") not in sys.path


def test_installed_packages_and_pythons_own_are_not_taken_from_a_bundle_by_accident(place):
    root = write_bundle(place / "Q1", "Q1")
    (root / "json.py").write_text("raise RuntimeError('not this one')\n")
    (root / "torch").mkdir()  # a mere folder
    (root / "torch" / "notes.txt").write_text("notes")
    (root / "scripts" / "late.py").write_text("import json, torch\nWHO = json.dumps([torch.__name__])\n")
    assert asked(built(root)) == {'["torch"]'}


def test_a_module_goes_by_its_bundle_for_pickle_and_dataclasses(place):
    root = write_bundle(place / "Q1", "Q1")
    (root / "scripts" / "late.py").write_text(
        "import pickle\nfrom dataclasses import dataclass, field\nimport typing\n\n"
        "@dataclass\nclass Thing:\n    a: 'typing.ClassVar[int]' = 3\n    b: 'int' = 4\n\n"
        "WHO = str(pickle.loads(pickle.dumps(Thing())).b) + str(typing.get_type_hints(Thing)['b'])\n"
    )
    parts = built(root)
    assert asked(parts) == {"4<class 'int'>"}
    copied = __import__("copy").deepcopy(parts.network)
    assert type(copied) is type(parts.network)


def test_the_code_of_a_bundle_stays_while_its_network_is_used(place):
    network = built(write_bundle(place / "Q1", "Q1")).network
    gc.collect()
    network(IMAGE)
    assert set(network.asked) == {"Q1"}


def test_threads_of_two_bundles_do_not_mix(place):
    from concurrent.futures import ThreadPoolExecutor

    roots = [write_bundle(place / f"Q{n}", f"Q{n}") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda root: asked(built(root)), roots))
    assert found == [{"Q0"}, {"Q1"}, {"Q2"}, {"Q3"}]


def test_a_foreign_editor_runs_from_its_private_copy_with_its_own_code(place, monkeypatch):
    import json
    import shutil

    from monai_unet.bundle_format import built_in_folder

    root = place / "editor"
    shutil.copytree(built_in_folder() / "lesion_editor" / "configs", root / "configs")
    write_scripts(root, "editor")
    config = json.loads((root / "configs" / "inference.json").read_text())
    (root / "scripts" / "net.py").write_text(
        "import monai_unet.networks\n\ndef build(network, **options):\n    options.pop('_target_', None)\n"
        "    raise RuntimeError('built by the editor')\n"
    )
    config["network_def"]["_target_"] = "scripts.net.build"
    (root / "configs" / "inference.json").write_text(json.dumps(config))
    with pytest.raises(RuntimeError) as found:
        NetworkAnswerer(root, trust=True)
    assert "scripts.net.build" in str(found.value)
    copy = trusted_copy(find_bundle(root))
    assert copy.root != root
