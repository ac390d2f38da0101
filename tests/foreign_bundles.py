"""Two bundles of MONAI's Model Zoo rebuilt from their published inference configs, with random weights.

Same network, preprocessing, inferer and postprocessing as spleen_ct_segmentation 0.5 and brats_mri_segmentation 0.5
(https://github.com/Project-MONAI/model-zoo, Apache-2.0), except that the window of the second is smaller.
"""

from __future__ import annotations

from typing import Any

COMMON: dict[str, Any] = {
    "imports": ["$import glob", "$import numpy", "$import os"],
    "bundle_root": ".",
    "output_dir": "$@bundle_root + '/eval'",
    "dataset_dir": "/nowhere",
    "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "network": "$@network_def.to(@device)",
    "dataloader": {
        "_target_": "DataLoader",
        "dataset": "@dataset",
        "batch_size": 1,
        "shuffle": False,
        "num_workers": 0,
    },
    "evaluator": {
        "_target_": "SupervisedEvaluator",
        "device": "@device",
        "val_data_loader": "@dataloader",
        "network": "@network",
        "inferer": "@inferer",
        "postprocessing": "@postprocessing",
        "val_handlers": "@handlers",
        "amp": True,
    },
    "run": ["$@evaluator.run()"],
}


def transforms(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"_target_": "Compose", "transforms": list(steps)}


def step(name: str, keys: str, **options: Any) -> dict[str, Any]:
    return {"_target_": name, "keys": keys, **options}


LOADER = {
    "_target_": "CheckpointLoader",
    "load_path": "$@bundle_root + '/models/model.pt'",
    "load_dict": {"model": "@network"},
}
KEY = "@image_key"

SPLEEN = COMMON | {
    "image_key": "image",
    "datalist": "$list(sorted(glob.glob(@dataset_dir + '/*.nii.gz')))",
    "network_def": {
        "_target_": "UNet",
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 2,
        "channels": [16, 32, 64, 128, 256],
        "strides": [2, 2, 2, 2],
        "num_res_units": 2,
        "norm": "batch",
    },
    "preprocessing": transforms(
        step("LoadImaged", KEY),
        step("EnsureChannelFirstd", KEY),
        step("Orientationd", KEY, axcodes="RAS"),
        step("Spacingd", KEY, pixdim=[1.5, 1.5, 2.0], mode="bilinear"),
        step("ScaleIntensityRanged", KEY, a_min=-57, a_max=164, b_min=0, b_max=1, clip=True),
        step("EnsureTyped", KEY),
    ),
    "dataset": {"_target_": "Dataset", "data": "$[{'image': i} for i in @datalist]", "transform": "@preprocessing"},
    "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [96, 96, 96], "sw_batch_size": 4, "overlap": 0.5},
    "postprocessing": transforms(
        step("Activationsd", "pred", softmax=True),
        step("Invertd", "pred", transform="@preprocessing", orig_keys=KEY, nearest_interp=False, to_tensor=True),
        step("AsDiscreted", "pred", argmax=True),
        step("SaveImaged", "pred", output_dir="@output_dir", output_postfix="trans", output_dtype="$numpy.float32"),
    ),
    "handlers": [{"_target_": "StatsHandler", "iteration_log": False}],
    "checkpointloader": LOADER,
    "initialize": ["$monai.utils.set_determinism(seed=123)", "$@checkpointloader(@evaluator)"],
}

SPLEEN_METADATA: dict[str, Any] = {
    "version": "0.5.0",
    "network_data_format": {
        "inputs": {"image": {"num_channels": 1, "channel_def": {"0": "image"}}},
        "outputs": {"pred": {"num_channels": 2, "channel_def": {"0": "background", "1": "spleen"}}},
    },
}

BRATS = COMMON | {
    "test_datalist": "$monai.data.load_decathlon_datalist(@dataset_dir, data_list_key='testing')",
    "amp": True,
    "network_def": {
        "_target_": "SegResNet",
        "blocks_down": [1, 2, 2, 4],
        "blocks_up": [1, 1, 1],
        "init_filters": 16,
        "in_channels": 4,
        "out_channels": 3,
        "dropout_prob": 0.2,
    },
    "preprocessing": transforms(
        step("LoadImaged", "image", image_only=False),
        step("NormalizeIntensityd", "image", nonzero=True, channel_wise=True),
    ),
    "dataset": {"_target_": "Dataset", "data": "@test_datalist", "transform": "@preprocessing"},
    "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [24, 24, 16], "sw_batch_size": 1, "overlap": 0.5},
    "postprocessing": transforms(
        step("Activationsd", "pred", sigmoid=True),
        step(
            "Invertd",
            "pred",
            transform="@preprocessing",
            orig_keys="image",
            meta_keys="pred_meta_dict",
            nearest_interp=False,
            to_tensor=True,
        ),
        step("AsDiscreted", "pred", threshold=0.5),
        step(
            "Lambdad",
            "pred",
            func="$lambda x: torch.where(x[[2]] > 0, 4, torch.where(x[[0]] > 0, 1, torch.where(x[[1]] > 0, 2, 0)))",
        ),
        step(
            "SaveImaged",
            "pred",
            meta_keys="pred_meta_dict",
            output_dir="@output_dir",
            output_postfix="seg",
            output_dtype="uint8",
            resample=False,
            squeeze_end_dims=True,
        ),
    ),
    "handlers": [LOADER, {"_target_": "StatsHandler", "iteration_log": False}],
    "initialize": ["$setattr(torch.backends.cudnn, 'benchmark', True)"],
}

BRATS_METADATA: dict[str, Any] = {
    "version": "0.5.0",
    "network_data_format": {
        "inputs": {
            "image": {"num_channels": 4, "channel_def": {"0": "T1c", "1": "T1", "2": "T2", "3": "FLAIR"}},
        },
        "outputs": {
            "pred": {
                "num_channels": 3,
                "channel_def": {"0": "Tumor core", "1": "Whole tumor", "2": "Enhancing tumor"},
            },
        },
    },
}
