"""A bundle written from a plan: configs, metadata, card; without weights until it is trained."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from monai_unet.io import write_text
from monai_unet.mappings import Json
from monai_unet.planning.configs import COPIED, inference_json, template, train_yaml
from monai_unet.planning.plan import PLAN_FILE, Plan, PlannedChannel
from monai_unet.version import __version__

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_REQUIRED = ("nibabel", "pytorch-ignite")


def write_bundle(plan: Plan, root: Path) -> Path:
    """Write the bundle of a plan into a folder; files that are there already are replaced, weights stay.

    Args:
        plan: what it is.
        root: the bundle's folder; its name should be the plan's.
    """
    train = train_yaml(plan)
    configs: dict[str, str] = {name: template(name) for name in COPIED}
    configs["train.yaml"] = train
    configs["inference.json"] = inference_json(train, several=len(plan.channels) > 1)
    configs["metadata.json"] = json.dumps(metadata(plan), indent=2) + "\n"
    configs[PLAN_FILE] = json.dumps(plan.to_json(), indent=2) + "\n"
    (root / "configs").mkdir(parents=True, exist_ok=True)
    (root / "docs").mkdir(exist_ok=True)
    for name, text in configs.items():
        write_text(root / "configs" / name, text)
    write_text(root / "docs" / "README.md", card(plan))
    return root


def metadata(plan: Plan, *, scores: Mapping[str, float] | None = None, weights_sha256: str = "") -> Json:
    """The bundle's `metadata.json`, complete by MONAI's schema of 2024-07-25.

    Args:
        plan: what the bundle is.
        scores: mean Dice under "mean" and by class, of cases that were not trained on.
        weights_sha256: of `models/model.pt`.
    """
    names = [entry.name for entry in plan.classes]
    outputs = names if plan.regions else ["background", *names]
    total = [2 ** sum(1 for stride in plan.strides if stride[axis] == 2) for axis in range(3)]
    shape = [f"{step}*n" if step > 1 else "*" for step in total]
    own: Json = {
        "axes": "SAR",
        "weights_sha256": weights_sha256,
        "spacing_mm": list(plan.spacing),
        "channels": [_channel(channel) for channel in plan.channels],
        "labels": [
            {
                "value": entry.value,
                "name": entry.name,
                "color": list(entry.color),
                **(
                    {"snomed": {"value": entry.snomed_code, "meaning": entry.snomed_meaning}}
                    if entry.snomed_code
                    else {}
                ),
            }
            for entry in plan.classes
        ],
    }
    if scores:
        own["test_dice"] = {name: round(value, 4) for name, value in scores.items()}
    said = ", ".join(f"{entry.value} {entry.name}" for entry in plan.classes)
    modality = plan.channels[0].modality
    return {
        "schema": SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": "planned and trained by monai-unet"},
        "monai_version": _installed("monai"),
        "pytorch_version": _installed("torch").split("+")[0],
        "numpy_version": _installed("numpy"),
        "required_packages_version": {"monai-unet": __version__, **{name: _installed(name) for name in _REQUIRED}},
        "name": plan.title,
        "task": f"Segmentation of {', '.join(names)}",
        "description": f"A U-Net ({plan.network}) planned and trained by monai-unet on {plan.title}",
        "authors": "whoever trained it",
        "copyright": "as the data it was trained on",
        "data_source": str(plan.data_set.get("name", plan.title)),
        "data_type": "NIfTI or DICOM",
        "image_classes": ", ".join(channel.name for channel in plan.channels),
        "label_classes": f"one channel: 0 background, {said}",
        "pred_classes": f"{plan.outputs} channels (logits): {', '.join(outputs)}",
        "eval_metrics": {} if not scores else {"mean_dice": round(scores["mean"], 4)},
        "intended_use": "Research use only; not a medical device",
        "references": [
            "Isensee F et al. nnU-Net: a self-configuring method for deep learning-based biomedical image "
            "segmentation. Nature Methods 18:203-211, 2021"
        ],
        "network_data_format": {
            "inputs": {
                "image": {
                    **_tensor(shape, "magnitude" if modality != "CT" else "hounsfield", len(plan.channels)),
                    "modality": modality or "n/a",
                    "channel_def": {str(n): channel.name for n, channel in enumerate(plan.channels)},
                }
            },
            "outputs": {
                "pred": {
                    **_tensor(shape, "segmentation", plan.outputs),
                    "channel_def": {str(n): name for n, name in enumerate(outputs)},
                }
            },
        },
        "monai_unet": own,
    }


def card(plan: Plan, *, results: str = "") -> str:
    """The bundle's README: what it is, why it is so, what it reached, how to use it."""
    classes = "\n".join(f"| {entry.value} | {entry.name} |" for entry in plan.classes)
    reasons = "\n".join(f"- **{what}**: {why}." for what, why in plan.reasons.items())
    lists = plan.data_set.get("cases", {})
    counts = ", ".join(f"{count} {part}" for part, count in lists.items()) if isinstance(lists, dict) else ""
    return f"""# {plan.title} (`{plan.name}`)

A model that monai-unet planned and trained on the data set named here ({counts or "see plan.json"}).
**For research use; not a medical device.**

| value | structure |
| --- | --- |
{classes}

## Scores

{results or "Not trained yet."}

## Commands

```
monai-unet segment PATH -o OUT --bundle {plan.name}
python -m monai.bundle run --config_file configs/train.yaml --dataset_dir DIR --output_dir runs/mine
python -m monai.bundle run --config_file "['configs/train.yaml','configs/evaluate.yaml']" --dataset_dir DIR --key test
python -m monai.bundle run --config_file configs/inference.json --input PATH --output_dir OUT
```

(the last three relative to this bundle; DIR is a folder in Decathlon layout.)

## Why it is so

{reasons}

All of it stands in `configs/plan.json`, from which the configs were written.

## Limits

Nothing is known of scans unlike those it was trained on: other scanners, other protocols, other patients. The scores
above are of cases of the same data set.
"""


def slug(text: str) -> str:
    """A name for a bundle's folder: lower case, digits, underscores.

    >>> slug("Task04 Hippocampus (T1)")
    'task04_hippocampus_t1'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "model"


def _channel(channel: PlannedChannel) -> Json:
    expected: Json = {}
    if channel.modality:
        expected["modality"] = channel.modality
    if channel.expected_spacing is not None:
        expected["spacing"] = [list(limit) for limit in channel.expected_spacing]
    if channel.expected_extent is not None:
        expected["extent"] = [list(limit) for limit in channel.expected_extent]
    return {
        "name": channel.name,
        **({"modality": channel.modality} if channel.modality else {}),
        **({"expected": expected} if expected else {}),
    }


def _tensor(shape: list[str], kind: str, channels: int) -> Json:
    return {
        "type": "image",
        "format": kind,
        "num_channels": channels,
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
    }


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
