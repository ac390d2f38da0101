"""What the generator writes stands alone, passes the rules of metadata, and is what the shipped bundles hold."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from monai.bundle import ConfigParser

from monai_unet.bundle_format import built_in_folder, describe
from monai_unet.planning import Plan, PlannedChannel, PlannedClass, plan_of, write_bundle
from monai_unet.planning.configs import COPIED, template

REGIONS = (PlannedClass("whole", 1, (1, 2), (1, 2, 3)), PlannedClass("core", 2, (2,), (4, 5, 6)))
RULES = Path(__file__).parents[1] / "bundles" / "metadata_rules.py"


def plan(**changes: object) -> Plan:
    facts: dict[str, object] = {
        "name": "two_boxes",
        "title": "Two boxes",
        "channels": (PlannedChannel("T1", "MR"),),
        "classes": (PlannedClass("liver", 1, (1,), (1, 2, 3)), PlannedClass("cyst", 4, (4,), (4, 5, 6))),
        "spacing": (5.0, 1.0, 1.0),
        "patch_size": (8, 32, 32),
        "strides": ((1, 2, 2), (2, 2, 2)),
        "kernels": ((1, 3, 3), (1, 3, 3), (3, 3, 3)),
        "widths": (4, 8, 16),
    }
    return Plan(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_plan_survives_its_file() -> None:
    made = plan(mirrored_pairs=((1, 2),), kept_slices=(3.0, 8.0), reasons={"spacing": "so"})
    assert plan_of(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "regions": True,
            "classes": (PlannedClass("whole", 1, (1, 2), (1, 2, 3)), PlannedClass("core", 2, (2,), (4, 5, 6))),
        },
        {"ignore": 9, "slices_first": True, "kept_slices": (3.0, 8.0), "largest_only": (1,), "smallest_ml": 0.5},
        {"channels": (PlannedChannel("CT", "CT", window=(-100.0, 200.0, 10.0, 50.0)), PlannedChannel("PET", "PT"))},
        {"channels": (PlannedChannel("CT", "CT", window=(-100.0, 200.0, 10.0, 50.0)),), "cache": "disk"},
    ],
    ids=["plain", "regions", "ignore label, thick slices", "CT and PET", "CT from the disk"],
)
def test_every_kind_of_plan_gives_configs_that_can_be_built(tmp_path: Path, changes: dict[str, object]) -> None:
    made = plan(**changes)
    root = write_bundle(made, tmp_path / made.name)
    trained = yaml.safe_load((root / "configs/train.yaml").read_text())
    parser = ConfigParser(trained)
    for part in ("network_def", "preprocessing", "postprocessing", "inferer", "train#loss", "train#augmentation"):
        assert parser.get_parsed_content(part) is not None
    inference = json.loads((root / "configs/inference.json").read_text())
    for part in ("network_def", "preprocessing", "inferer", "postprocessing"):
        assert inference[part] == trained[part]
    metadata = json.loads((root / "configs/metadata.json").read_text())
    # our own bundles also state synonyms and codes, which a data set does not tell
    broken = [rule for rule in _rules().violations(metadata) if not rule.startswith(("channel {", "label "))]
    assert broken == []
    told = describe(metadata)
    assert told.label_names == {entry.value: entry.name for entry in made.classes}
    assert [channel.name for channel in told.channels] == [channel.name for channel in made.channels]


@pytest.mark.parametrize("bundle", ["hippocampus_mri", "head_neck_ct", "sarcoma_mri", "brain_tumor_t1c"])
@pytest.mark.parametrize("name", COPIED)
def test_shipped_bundles_hold_what_the_generator_writes(bundle: str, name: str) -> None:
    assert (built_in_folder() / bundle / "configs" / name).read_text() == template(name)


def _rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rules_of_metadata", RULES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
