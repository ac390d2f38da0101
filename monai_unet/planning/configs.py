"""The configs of a planned bundle: the template `train.yaml` filled in, and `inference.json` from the same values."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import yaml

from monai_unet.mappings import Json
from monai_unet.planning.plan import Plan
from monai_unet.transforms import IGNORED

COPIED = ("evaluate.yaml", "multi_gpu_train.yaml", "logging.conf")
"""Files that are the same in every bundle."""

SHARED = ("bundle_root", "device", "amp", "network", "network_def", "preprocessing", "inferer", "postprocessing", "net")
"""What training and inference have in common; values that these refer to come along."""


def template(name: str) -> str:
    """Text of a template."""
    return (files("monai_unet.planning") / "templates" / name).read_text(encoding="utf-8")


def train_yaml(plan: Plan) -> str:
    """The whole `train.yaml` of a plan."""
    return filled(template("train.yaml"), _values(plan))


def inference_json(train: str, *, several: bool) -> str:
    """The `inference.json` that belongs to a `train.yaml`.

    Args:
        train: text of the `train.yaml`.
        several: images have several channels, which the bundle's description tells apart.
    """
    trained: Json = yaml.safe_load(train)
    shared = {name: trained[name] for name in SHARED}
    wanted = set(re.findall(r"@(\w+)", json.dumps(shared))) - set(shared)
    values = {name: value for name, value in trained.items() if name in wanted}
    find = (
        ("find_sequence_cases", "$find_sequence_cases(@input, describe(@_meta_).channels)")
        if several
        else ("find_cases", "$find_cases(@input)")
    )
    own: Json = {
        "imports": [
            "$import os",
            "$import monai_unet.bundle_format.run as bundle_run",
            "$from monai_unet.bundle_format import describe",
            f"$from monai_unet.io import {find[0]}",
            "$from monai_unet.bundle_format.weights import load_weights",
        ],
        "bundle_root": shared.pop("bundle_root"),
        "input": ".",
        "dataset_dir": "@input",
        "output_dir": "./segmentations",
        "ckpt": "$@bundle_root + '/models/model.pt'",
        **values,
        **shared,
        "dataset": {"_target_": "monai_unet.io.CaseStream", "data": find[1], "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1},
        "handlers": [
            {
                "_target_": "monai_unet.io.SaveHandler",
                "save": {
                    "_target_": "monai_unet.io.SaveLabelMapd",
                    "keys": "pred",
                    "output_dir": "@output_dir",
                    "names": "$describe(@_meta_).label_names",
                },
            }
        ],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@net",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "amp": "@amp",
            "val_handlers": "@handlers",
        },
        "initialize": ["$bundle_run.prepare()", "$load_weights(@network_def, @ckpt)"],
        "run": ["$@evaluator.run()"],
        "finalize": ["$@dataset.finish()"],
    }
    return json.dumps(own, indent=2) + "\n"


def filled(text: str, values: Json) -> str:
    """A template with its places filled in.

    `{{name}}` in a line is the value in YAML's flow style; alone in a line it is a block, indented like the place.
    Lines between `{{#name}}` and `{{/name}}` stay where the value is not empty.

    >>> filled("a: {{a}}\\n{{#b}}\\nb: {{b}}\\n{{/b}}\\nc:\\n  {{c}}\\n", {"a": [1, 2], "b": (), "c": {"d": 1}})
    'a: [1, 2]\\nc:\\n  d: 1\\n'
    """

    def section(match: re.Match[str]) -> str:
        return match[2] if values[match[1]] else ""

    text = re.sub(r"^\{\{#(\w+)\}\}\n(.*?)^\{\{/\1\}\}\n", section, text, flags=re.MULTILINE | re.DOTALL)
    lines = []
    for line in text.splitlines():
        alone = re.fullmatch(r"( *)\{\{(\w+)\}\}", line)
        if alone:
            block = yaml.dump(values[alone[2]], Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
            lines += [f"{alone[1]}{inner}" for inner in block.splitlines()]
        else:
            lines.append(re.sub(r"\{\{(\w+)\}\}", lambda match: _inline(values[match[1]]), line))
    return "\n".join(lines) + "\n"


class _Dumper(yaml.SafeDumper):
    """Blocks for what has members, and plain numbers in one line."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _sequence(dumper: yaml.SafeDumper, data: Sequence[Any]) -> yaml.Node:
    plain = all(isinstance(item, int | float | list | tuple | str) for item in data) and not any(
        isinstance(item, str) and item.startswith("$") for item in data
    )
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=plain)


_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(tuple, _sequence)


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return value
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=10000).removesuffix("\n...\n").strip()


def _values(plan: Plan) -> Json:
    ignored = {"ignore": plan.ignore} if plan.ignore is not None else {}
    regions = _regions(plan)
    return {
        "axes": "across the slices, down, across" if plan.slices_first else "(S, A, R)",
        "name": plan.name,
        "bf16": plan.bf16,
        "label_values": list(plan.source_values),
        "regions": regions,
        "region_values": [entry.value for entry in plan.classes],
        "ignore": plan.ignore,
        "spacing": list(plan.spacing),
        "patch_size": list(plan.patch_size),
        "network": plan.network,
        "epochs": plan.epochs,
        "epoch_steps": plan.epoch_steps,
        "batch_size": plan.batch_size,
        "learning_rate": plan.learning_rate,
        "weight_decay": plan.weight_decay,
        "ema_decay": plan.ema_decay,
        "val_interval": max(1, plan.epochs // max(1, plan.validations)),
        "in_channels": len(plan.channels),
        "out_channels": plan.outputs,
        "levels": _levels(plan),
        "norm": plan.norm,
        "deep_supervision": plan.deep_supervision,
        "preprocessing": _preprocessing(plan),
        "flips": list(plan.flips),
        "mirrored_pairs": [list(pair) for pair in plan.mirrored_pairs] if 2 in plan.flips and not plan.regions else [],
        "activation": "sigmoid" if plan.regions else "softmax",
        "postprocessing": _postprocessing(plan),
        "label_preprocessing": _label_preprocessing(plan),
        "augmentation": _augmentation(plan),
        "cached": _cached(plan),
        "validated": {
            "_target_": "CacheDataset" if plan.cache == "memory" else "Dataset",
            "data": "$dataset_cases(@dataset_dir, 'validation')",
            "transform": "@validate#preprocessing",
            **({"num_workers": 0, "progress": False} if plan.cache == "memory" else {}),
        },
        "loss": {"_target_": "monai_unet.training.region_loss"}
        if plan.regions
        else {
            "_target_": "monai_unet.training.build_loss",
            "name": plan.loss,
            **({"ignore_label": IGNORED} if ignored else {}),
        },
        "metric": {
            "_target_": "monai_unet.training.mean_class_dice",
            "values": [list(entry.values) for entry in plan.classes] if regions else "@label_values",
            "ignore": "@ignore",
        },
    }


def _regions(plan: Plan) -> list[list[int]]:
    """Class indices (of `source_values`) of each region."""
    if not plan.regions:
        return []
    index = {value: number for number, value in enumerate(plan.source_values, start=1)}
    return [[index[value] for value in entry.values] for entry in plan.classes]


def _levels(plan: Plan) -> Json:
    levels: Json = {"channels": list(plan.widths), "strides": [list(stride) for stride in plan.strides]}
    if plan.network == "dynunet":
        levels["kernels"] = [list(kernel) for kernel in plan.kernels]
    return levels


def _turned(plan: Plan, keys: str | list[str]) -> list[Json]:
    """Reader and orientation, for images or labels."""
    turned: list[Json] = [{"_target_": "Orientationd", "keys": keys, "axcodes": "SAR", "labels": None}]
    if plan.slices_first:
        turned.append({"_target_": "monai_unet.transforms.SlicesFirstd", "keys": keys})
    return turned


def _spacing(plan: Plan) -> Json:
    """Arguments of `Spacingd`: slices whose distance lies in `kept_slices` stay as acquired."""
    arguments: Json = {"pixdim": "@pixdim"}
    if plan.kept_slices is not None:
        low, high = plan.kept_slices
        arguments["min_pixdim"] = [low, *plan.spacing[1:]]
        arguments["max_pixdim"] = [high, *plan.spacing[1:]]
    return arguments


def _preprocessing(plan: Plan) -> list[Json]:
    several = len(plan.channels) > 1
    spacing = _spacing(plan)
    smooth = {name: value for name, value in spacing.items() if name != "max_pixdim"}
    steps: list[Json] = [
        {"_target_": f"monai_unet.io.{'LoadChannelsd' if several else 'LoadVolumed'}", "keys": "image"},
        *_turned(plan, "image"),
        {"_target_": "monai_unet.transforms.SmoothForSpacingd", "keys": "image", **smooth},
        {"_target_": "Spacingd", "keys": "image", **spacing, "mode": "bilinear"},
    ]
    return steps + _normalisation(plan)


def _normalisation(plan: Plan) -> list[Json]:
    """Of all channels alike, or channel by channel where some have a scale and some not."""
    windows = [channel.window for channel in plan.channels]
    if len(plan.channels) == 1 and windows[0] is not None:
        low, high, mean, deviation = windows[0]
        return [
            {
                "_target_": "ScaleIntensityRanged",
                "keys": "image",
                "a_min": low,
                "a_max": high,
                "b_min": round((low - mean) / deviation, 4),
                "b_max": round((high - mean) / deviation, 4),
                "clip": True,
            }
        ]
    if any(window is not None for window in windows):
        return [
            {
                "_target_": "monai_unet.transforms.NormalizeChannelsd",
                "keys": "image",
                "windows": [None if window is None else list(window) for window in windows],
            }
        ]
    outside = all(channel.zeros_outside for channel in plan.channels)
    return [
        {
            "_target_": "ClipIntensityPercentilesd",
            "keys": "image",
            "lower": 0.5,
            "upper": 99.5,
            "channel_wise": True,
        },
        {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": outside, "channel_wise": True},
    ]


def _postprocessing(plan: Plan) -> list[Json]:
    steps: list[Json] = [{"_target_": "Activationsd", "keys": "pred", "sigmoid": True}] if plan.regions else []
    steps += [
        {
            "_target_": "Invertd",
            "keys": "pred",
            "transform": "@preprocessing",
            "orig_keys": "image",
            "nearest_interp": False,
            "to_tensor": True,
        },
        {
            "_target_": "AsDiscreted",
            "keys": "pred",
            **({"threshold": plan.threshold} if plan.regions else {"argmax": True}),
        },
    ]
    if plan.regions:
        steps.append({"_target_": "monai_unet.transforms.LabelsOfMasksd", "keys": "pred", "values": "@region_values"})
    elif plan.source_values != tuple(range(1, len(plan.classes) + 1)):
        steps.append({"_target_": "monai_unet.transforms.LabelValuesd", "keys": "pred", "values": "@label_values"})
    if plan.largest_only:
        steps.append(
            {
                "_target_": "KeepLargestConnectedComponentd",
                "keys": "pred",
                "applied_labels": list(plan.largest_only),
                "is_onehot": False,
                "independent": True,
            }
        )
    if plan.smallest_ml:
        steps.append(
            {"_target_": "monai_unet.transforms.RemoveSpecksd", "keys": "pred", "smallest_ml": plan.smallest_ml}
        )
    return steps


def _label_preprocessing(plan: Plan) -> list[Json]:
    return [
        {"_target_": "monai_unet.io.LoadVolumed", "keys": "label"},
        {
            "_target_": "monai_unet.transforms.MapLabelsd",
            "keys": "label",
            "values": "@label_values",
            "ignore": "@ignore",
        },
        *_turned(plan, "label"),
        {"_target_": "Spacingd", "keys": "label", **_spacing(plan), "mode": "nearest"},
        {
            "_target_": "monai_unet.transforms.CheckPaird",
            "image_key": "image",
            "label_key": "label",
            "classes": "$1 + len(@label_values)",
            "ignored": "$@ignore is not None",
        },
        {"_target_": "monai_unet.transforms.ClassVoxelsd"},
        {"_target_": "EnsureTyped", "keys": ["image", "label"], "track_meta": False},
    ]


def _augmentation(plan: Plan) -> list[Json]:
    patch: Json = {
        "_target_": "monai_unet.transforms.RandClassPatchd",
        "patch_size": "@patch_size",
        "spacing": "@pixdim",
        "classes": "$list(range(1, 1 + len(@label_values)))",
        "background": plan.background,
        "rotate": list(plan.rotate),
        "scale": plan.scale,
        "mirror": list(plan.mirror),
        "mirrored_pairs": [list(pair) for pair in plan.mirrored_pairs],
    }
    fixed = any(channel.window is not None for channel in plan.channels)
    steps: list[Json] = [
        patch,
        {"_target_": "monai_unet.training.ct_intensities" if fixed else "monai_unet.training.mr_intensities"},
    ]
    if plan.regions:
        steps.append({"_target_": "monai_unet.transforms.MasksOfLabelsd", "keys": "label", "regions": "@regions"})
    return steps


def _cached(plan: Plan) -> Json:
    common: Json = {
        "data": "$dataset_cases(@dataset_dir, 'training')",
        "transform": {"_target_": "Compose", "transforms": ["@preprocessing", "@train#label_preprocessing"]},
    }
    if plan.cache == "memory":
        return {"_target_": "CacheDataset", **common, "num_workers": 0, "progress": False}
    return {"_target_": "PersistentDataset", **common, "cache_dir": "$@output_dir + '/cache'"}
