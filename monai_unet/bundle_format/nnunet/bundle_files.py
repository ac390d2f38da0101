"""The configs, metadata and card of an imported model: an ordinary bundle that needs no nnU-Net."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from monai_unet.bundle_format.description import unnamed
from monai_unet.bundle_format.nnunet.component_rules import Rules
from monai_unet.bundle_format.nnunet.model_plan import ModelPlan
from monai_unet.bundle_format.nnunet.structures import LICENCE, REFERENCE, code_of, is_totalsegmentator
from monai_unet.mappings import Json
from monai_unet.version import __version__

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_NNUNET = (
    "Isensee F et al. nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation. Nature "
    "Methods 18:203-211, 2021"
)
_MAGNETIC = {"mri", "mr", "t1", "t1w", "t1c", "t1ce", "t1gd", "t1n", "t2", "t2w", "t2f", "flair", "adc", "dwi", "pd"}
_SLICES_AT_ONCE = 8


@dataclass(frozen=True)
class Choices:
    """What was chosen for an import, beside the plan.

    Attributes:
        name: of the bundle's folder.
        folds: of the checkpoints, in order.
        checkpoint: "final" or "best".
        trainer: its class.
        mirror_axes: of the window's three axes.
        orientation: to which images are turned, "" for none.
        rules: of which labels the largest part is kept.
        epochs: of each fold's checkpoint.
    """

    name: str
    folds: tuple[str, ...]
    checkpoint: str
    trainer: str
    mirror_axes: tuple[int, ...]
    orientation: str
    rules: Rules
    epochs: tuple[int, ...]


def inference_config(plan: ModelPlan, chosen: Choices) -> Json:
    """`inference.json`."""
    several = len(plan.channels) > 1
    find = "find_sequence_cases" if several else "find_cases"
    cases = f"${find}(@input, describe(@_meta_).channels)" if several else f"${find}(@input)"
    ensemble = len(chosen.folds) > 1
    network = {
        "_target_": f"monai_unet.networks.{'FoldEnsemble' if ensemble else 'PlansUNet'}",
        **({"folds": len(chosen.folds)} if ensemble else {}),
        **plan.network,
    }
    return {
        "imports": [
            "$import os",
            "$import monai_unet.bundle_format.run as bundle_run",
            "$from monai_unet.bundle_format import describe",
            f"$from monai_unet.io import {find}",
            "$from monai_unet.bundle_format.weights import load_weights",
        ],
        "bundle_root": f"$bundle_run.bundle_root('{chosen.name}')",
        "input": ".",
        "dataset_dir": "@input",
        "output_dir": "./segmentations",
        "ckpt": "$@bundle_root + '/models/model.pt'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "amp": "$torch.cuda.is_available()",
        "transpose": list(plan.transpose),
        "orientation": chosen.orientation,
        "patch_size": list(plan.patch),
        "step": 0.5,
        "mirror_axes": list(chosen.mirror_axes),
        "network_def": network,
        "preprocessing": _preprocessing(plan, several=several),
        "inferer": {
            "_target_": "monai_unet.inferers.EvenWindowInferer",
            "roi_size": "@patch_size",
            "step": "@step",
            "mirror_axes": "@mirror_axes",
            **({"sw_batch_size": _SLICES_AT_ONCE} if plan.of_slices else {}),
        },
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing(plan, chosen.rules)},
        "net": "$@network_def.to(device=@device, memory_format=torch.channels_last_3d)",
        "dataset": {"_target_": "monai_unet.io.CaseStream", "data": cases, "transform": "@preprocessing"},
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


def _preprocessing(plan: ModelPlan, *, several: bool) -> Json:
    preprocess = {
        "_target_": "monai_unet.transforms.NNUNetPreprocessd",
        "keys": "image",
        "spacing": list(plan.spacing),
        "schemes": list(plan.schemes),
        "masked": list(plan.masked),
        "intensities": [dict(stated) for stated in plan.intensities],
        "transpose": "@transpose",
        "orientation": "@orientation",
        "order": plan.order,
        "force_separate_z": plan.separate_z,
    }
    loader = {"_target_": f"monai_unet.io.{'LoadChannelsd' if several else 'LoadVolumed'}", "keys": "image"}
    return {"_target_": "Compose", "transforms": [loader, preprocess]}


def _postprocessing(plan: ModelPlan, rules: Rules) -> list[Json]:
    decide: Json = {
        "_target_": "monai_unet.transforms.NNUNetLabelsd",
        "keys": "pred",
        "region_values": list(plan.labels.region_values),
        "transpose": "@transpose",
        "orientation": "@orientation",
        "force_separate_z": plan.separate_z_labels,
    }
    largest = {
        "_target_": "monai_unet.transforms.KeepLargestPartsd",
        "keys": "pred",
        "rules": [list(rule) for rule in rules],
    }
    return [decide, *([largest] if rules else [])]


def metadata(plan: ModelPlan, chosen: Choices, *, weights_sha256: str) -> Json:
    """`metadata.json`, complete by MONAI's schema of 2024-07-25."""
    names = list(plan.labels.names.values())
    outputs = list(plan.labels.regions) if plan.labels.regions else ["background", *names]
    shape = [str(size) if size == 1 else "*" for size in plan.patch]
    modalities = _modalities(plan)
    return {
        "schema": SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": "imported from nnU-Net"},
        "monai_version": _installed("monai"),
        "pytorch_version": _installed("torch").split("+")[0],
        "numpy_version": _installed("numpy"),
        "required_packages_version": {
            "monai-unet": __version__,
            **{name: _installed(name) for name in ("nibabel", "pytorch-ignite")},
        },
        "name": f"{plan.data_set} ({plan.configuration})",
        "task": f"Segmentation of {_few(names)}",
        "description": f"A model trained by nnU-Net v2 ({chosen.trainer}, {plan.configuration}, "
        f"fold {', '.join(chosen.folds)}) on {plan.data_set}, imported by monai-unet",
        "authors": "whoever trained it",
        "copyright": "as the model that was imported",
        "license": licence(plan),
        "data_source": plan.data_set,
        "data_type": "NIfTI or DICOM",
        "image_classes": ", ".join(plan.channels),
        "label_classes": "one channel: 0 background, "
        + ", ".join(f"{value} {name}" for value, name in plan.labels.names.items()),
        "pred_classes": f"{plan.labels.outputs} channels (logits): {', '.join(outputs)}",
        "eval_metrics": {},
        "intended_use": "Research use only; not a medical device",
        "references": [_NNUNET, *_references(plan)],
        "network_data_format": {
            "inputs": {
                "image": {
                    **_tensor(shape, "hounsfield" if modalities == ["CT"] else "magnitude", len(plan.channels)),
                    "modality": modalities[0] or "n/a",
                    "channel_def": {str(n): name for n, name in enumerate(plan.channels)},
                }
            },
            "outputs": {
                "pred": {
                    **_tensor(shape, "segmentation", plan.labels.outputs),
                    "channel_def": {str(n): name for n, name in enumerate(outputs)},
                }
            },
        },
        "monai_unet": {
            **({"spacing_mm": list(plan.spacing)} if not plan.of_slices else {}),
            "weights_sha256": weights_sha256,
            "channels": [_channel(n, m) for n, m in zip(plan.channels, modalities, strict=True)],
            "labels": [_label(value, name) for value, name in plan.labels.names.items()],
            **({"label_regions": {n: list(v) for n, v in plan.labels.regions.items()}} if plan.labels.regions else {}),
            "nnunet": {
                "data_set": plan.data_set,
                "configuration": plan.configuration,
                "trainer": chosen.trainer,
                "folds": list(chosen.folds),
                "checkpoint": chosen.checkpoint,
                "epochs": list(chosen.epochs),
            },
        },
    }


def licence(plan: ModelPlan) -> str:
    """What is known of the model's licence, in words."""
    if is_totalsegmentator(plan.data_set):
        return LICENCE
    return plan.licence or "Not stated in the model; ask whoever trained it"


def card(plan: ModelPlan, chosen: Choices) -> str:
    """The bundle's README."""
    classes = "\n".join(f"| {value} | {name} |" for value, name in plan.labels.names.items())
    rules = "; ".join(", ".join(plan.labels.names.get(v, str(v)) for v in rule) for rule in chosen.rules)
    mirrored = ", ".join(map(str, chosen.mirror_axes)) or "none"
    axes = (
        f"every image is turned to {chosen.orientation}"
        if chosen.orientation
        else "images are taken in the axis order of their files, as nnU-Net takes them; which order the training's "
        "files had is not known"
    )
    return f"""# {plan.data_set}, {plan.configuration} (`{chosen.name}`)

A model trained by nnU-Net v2 and imported by monai-unet. **For research use; not a medical device.**

| value | structure |
| --- | --- |
{classes}

- Images: {", ".join(plan.channels)}; {axes}.
- Folds: {", ".join(chosen.folds)} (checkpoint_{chosen.checkpoint}, trainer {chosen.trainer}); the logits of several
  are averaged.
- Window {"×".join(map(str, plan.patch))} voxels, step 0.5; mirrored axes: {mirrored}
  (`mirror_axes` in `configs/inference.json`: each axis doubles the time).
- Largest part kept of: {rules or "nothing (no postprocessing stood in the model)"}.
- Licence: {licence(plan)}.

```
monai-unet segment PATH -o OUT --bundle {chosen.name}
python -m monai.bundle run --config_file configs/inference.json --input PATH --output_dir OUT
```
"""


def _channel(name: str, modality: str) -> Json:
    known = {"modality": modality} if modality else {}
    return {"name": name, **known, **({"expected": known} if modality == "CT" else {})}


def _modalities(plan: ModelPlan) -> list[str]:
    """DICOM modality of each channel, as far as its name and normalisation tell; else ""."""
    found = []
    for name, scheme in zip(plan.channels, plan.schemes, strict=True):
        word = name.lower().strip()
        if scheme == "CTNormalization" or word == "ct":
            found.append("CT")
        else:
            found.append("MR" if word in _MAGNETIC else "PT" if word in ("pet", "suv") else "")
    return found


def _label(value: int, name: str) -> Json:
    code = code_of(name)
    snomed = {"snomed": {"value": code[0], "meaning": code[1]}} if code else {}
    return {"value": value, "name": name, "color": list(unnamed(value).color), **snomed}


def _references(plan: ModelPlan) -> list[str]:
    found = [REFERENCE] if is_totalsegmentator(plan.data_set) else []
    return [*found, plan.reference] if plan.reference else found


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:7])} and {len(names) - 7} more"


def _tensor(shape: list[str], kind: str, channels: int) -> Json:
    return {
        "type": "image",
        "format": kind,
        "num_channels": channels,
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
    }


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def dumped(content: Json) -> str:
    """A config as text."""
    return json.dumps(content, indent=2) + "\n"
