"""Models in nnU-Net v2's file format, with weights made of a formula, and an image for them."""

import json
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from monai_unet.networks import PlansUNet

CONVS = {"strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]], "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]]}


def architecture(*, residual=False, dims=3):
    """An entry "architecture" of the plans."""
    name = "ResidualEncoderUNet" if residual else "PlainConvUNet"
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
        "arch_kwargs": {
            "n_stages": 3,
            "features_per_stage": [4, 8, 8],
            "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
            "kernel_sizes": [kernel[3 - dims :] for kernel in CONVS["kernel_sizes"]],
            "strides": [stride[3 - dims :] for stride in CONVS["strides"]],
            ("n_blocks_per_stage" if residual else "n_conv_per_stage"): [1, 2, 1] if residual else [2, 2, 2],
            "n_conv_per_stage_decoder": [1, 1] if residual else [2, 2],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dims}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def plans(*, residual=False, dims=3, channels=1, **changed):
    """`plans.json` of one configuration; `changed` goes into it."""
    kwargs = {"is_seg": False, "order_z": 0, "force_separate_z": None}
    name = "2d" if dims == 2 else "3d_fullres"
    configuration = {
        "data_identifier": "x",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [8, 16, 16][3 - dims :],
        "spacing": [3.6, 1.1, 0.9][3 - dims :],
        "normalization_schemes": ["ZScoreNormalization"] * channels,
        "use_mask_for_norm": [False] * channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {**kwargs, "order": 3},
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": {**kwargs, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {**kwargs, "order": 1},
        "architecture": architecture(residual=residual, dims=dims),
        **changed,
    }
    stated = {"mean": 80.0, "std": 60.0, "percentile_00_5": -100.0, "percentile_99_5": 250.0}
    return {
        "dataset_name": "Dataset900_phantom",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(n): stated for n in range(channels)},
        "configurations": {name: configuration},
    }


def dataset(labels=None, channels=("T1",), **more):
    """`dataset.json`."""
    return {
        "channel_names": {str(n): name for n, name in enumerate(channels)},
        "labels": labels or {"background": 0, "core": 1, "rim": 2},
        "numTraining": 3,
        "file_ending": ".nii.gz",
        **more,
    }


def network_of(outputs, *, residual=False, channels=1):
    """Our network of the plans above; a network of slices has the same but for the kernels."""
    return PlansUNet(
        channels,
        outputs,
        channels=[4, 8, 8],
        kernels=CONVS["kernel_sizes"],
        strides=CONVS["strides"],
        encoder_counts=[1, 2, 1] if residual else [2, 2, 2],
        decoder_counts=[1, 1] if residual else [2, 2],
        residual=residual,
    )


def weights_of(network, *, seed=0, dims=3):
    """Weights by a formula, with the second names that nnU-Net's networks give them."""
    found = {}
    for number, (name, tensor) in enumerate(network.state_dict().items()):
        count = tensor.numel()
        wave = torch.sin(torch.arange(count, dtype=torch.float64) * 1.7 + 0.9 * number + 13.0 * seed)
        scale = 1.5 / math.sqrt(max(1, count // tensor.shape[0])) if tensor.dim() > 1 else 0.3
        values = (wave * scale + (1.0 if ".norm.weight" in name else 0.0)).reshape(tensor.shape).float()
        if dims == 2 and values.dim() == 5:
            values = values[:, :, values.shape[2] // 2]
        found[name] = values.contiguous()
    for name in list(found):
        for part, place in ((".conv.", ".all_modules.0."), (".norm.", ".all_modules.1.")):
            if part in name:
                found[name.replace(part, place)] = found[name]
    return found | {f"decoder.{name}": tensor for name, tensor in found.items() if name.startswith("encoder.")}


def write_model(
    root, *, stated=None, described=None, folds=("0",), dims=3, residual=False, outputs=3, channels=1,
    trainer="nnUNetTrainer", mirror=(0, 1, 2), seed=0, **more,
):  # fmt: skip
    """A trained model's folder; gives it."""
    stated = stated or plans(residual=residual, dims=dims, channels=channels)
    root = Path(root) / f"{trainer}__nnUNetPlans__{next(iter(stated['configurations']))}"
    root.mkdir(parents=True)
    (root / "plans.json").write_text(json.dumps(stated))
    (root / "dataset.json").write_text(json.dumps(described or dataset()))
    for number, fold in enumerate(folds):
        (root / f"fold_{fold}").mkdir()
        network = network_of(outputs, residual=residual, channels=channels)
        checkpoint = {
            "network_weights": weights_of(network, seed=seed + number, dims=dims),
            "optimizer_state": {},
            "grad_scaler_state": None,
            "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)], "epoch": [np.int64(3)]},
            "_best_ema": np.float64(0.4),
            "current_epoch": 7,
            "init_args": {"configuration": next(iter(stated["configurations"])), "device": torch.device("cpu")},
            "trainer_name": trainer,
            "inference_allowed_mirroring_axes": mirror if mirror is None else tuple(mirror)[:dims],
            **more,
        }
        torch.save(checkpoint, root / f"fold_{fold}" / "checkpoint_final.pth")
    return root


def write_image(path, *, shape=(24, 30, 9), spacing=(1.3, 1.2, 4.0), axes="LPS", phase=0.0):
    """A volume of waves inside a box of zeros, stored in the given axes."""
    i, j, k = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    values = 100 * np.sin(0.41 * i + phase) * np.cos(0.33 * j) + 40 * np.sin(0.9 * k + 0.2 * i) + 60
    values[:3] = values[:, :2] = values[:, -4:] = 0
    sign = [-1 if letter in "LPI" else 1 for letter in axes]
    order = ["LRAPIS".index(letter) // 2 for letter in axes]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for column, (row, direction, edge) in enumerate(zip(order, sign, spacing, strict=True)):
        affine[row, column] = direction * edge
    image = nib.Nifti1Image(np.rint(values).astype(np.int16), affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


def write_example(root, name):
    """One of `EXAMPLES`: model and image files for it, in the order of the channels."""
    root = Path(root) / name
    (root / "in").mkdir(parents=True)
    channels = 1
    if name == "thick slices, mirrored":
        model = write_model(root, seed=2)
    elif name == "two folds, residual":
        model = write_model(root, seed=2, folds=("0", "1"), residual=True, mirror=None)
    elif name == "slices":
        model = write_model(root, seed=2, dims=2)
    else:
        channels = 2
        labels = {"background": 0, "whole": [1, 2], "core": [2]}
        described = dataset(labels, channels=("FLAIR", "CT"), regions_class_order=[1, 2])
        stated = plans(
            channels=2, spacing=[2.0, 1.5, 1.5], use_mask_for_norm=[True, False],
            normalization_schemes=["ZScoreNormalization", "CTNormalization"],
        )  # fmt: skip
        stated["transpose_forward"], stated["transpose_backward"] = [2, 0, 1], [1, 2, 0]
        model = write_model(root, seed=1, stated=stated, described=described, outputs=2, channels=2, mirror=(0, 1))
    images = [write_image(root / "in" / f"case_{n:04d}.nii.gz", phase=float(n)) for n in range(channels)]
    return model, images


EXAMPLES = ("thick slices, mirrored", "two folds, residual", "slices", "regions of two channels, transposed")
