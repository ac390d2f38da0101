"""Checkpoints of nnU-Net v2 read as tensors and plain values, and their weights under our own names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_unet.bundle_format.json_values import Value
from monai_unet.bundle_format.weights import read_tensors
from monai_unet.errors import InputError

_SCALARS = ("Float64DType", "Float32DType", "Float16DType", "Int64DType", "Int32DType", "BoolDType")
_PLAIN_TRAINERS = re.compile(
    r"""nnUNetTrainer(
      | _(1|5|10|20|50|100|250|500|750|1000|1500|2000|4000|8000)epochs?(_NoMirroring)?
      | Benchmark_5epochs(_noDataLoading)? | DA5 | DA5ord0 | DA5Segord0 | DA5_10epochs | NoDA | _DASegOrd0
      | _DASegOrd0_NoMirroring | _noDummy2DDA | NoMirroring | _onlyMirror01 | _onlyMirror01_1500ep
      | _onlyMirror01_DASegOrd0 | _onlyMirror01_DA5 | _warmup | CosAnneal | Adan | Adan(1en3|3en4|1en1) | AdanCosAnneal
      | Adam | VanillaAdam | VanillaAdam(1en3|3en4) | Adam(1en3|3en4) | DiceLoss | DiceCELoss_noSmooth | Topk10Loss
      | Topk10LossLS01 | DiceTopK10Loss | CELoss | CELoss_5epochs | NoDeepSupervision | _probabilisticOversampling
      | _probabilisticOversampling_(033|010)
    )""",
    re.VERBOSE,
)
"""Trainers of nnunetv2 2.8.1, read one by one: they change the training, and nothing of inference but the mirrored
axes, which stand in the checkpoint. Those that build another network (nnUNetTrainerBN, Primus) are not among them."""


@dataclass(frozen=True, eq=False)
class TrainedFold:
    """One fold's checkpoint.

    Attributes:
        file: where it came from.
        weights: name in `PlansUNet` → tensor.
        trainer, configuration: as it states them.
        mirror_axes: along which the training mirrored; none where it did not.
        epoch: at which it was written.
    """

    file: Path
    weights: dict[str, Tensor]
    trainer: str
    configuration: str
    mirror_axes: tuple[int, ...]
    epoch: int


def read_checkpoint(file: Path) -> TrainedFold:
    """Read a fold's checkpoint: tensors, plain values and NumPy's numbers, nothing that could run code.

    Raises:
        InputError: missing, damaged, holding anything else, or no checkpoint of nnU-Net v2.
    """
    with torch.serialization.safe_globals(_numpy_scalars()):
        content = read_tensors(file)
    stated = Value(content, str(file))
    weights = content.get("network_weights")
    init = stated.at("init_args")
    if not isinstance(weights, Mapping) or not weights or not stated.at("trainer_name").text():
        raise InputError(f"{file} is no checkpoint of nnU-Net v2; give the folder that nnU-Net trained in.")
    axes = content.get("inference_allowed_mirroring_axes")
    mirrored = () if axes is None else tuple(int(axis) for axis in axes)
    if any(axis not in (0, 1, 2) for axis in mirrored):
        raise InputError(f"{file} mirrors along the axes {mirrored}; there are 0, 1 and 2.")
    return TrainedFold(
        file=file,
        weights=own_names(weights, file),
        trainer=stated.at("trainer_name").text(),
        configuration=init.at("configuration").text(),
        mirror_axes=mirrored,
        epoch=int(content.get("current_epoch") or 0),
    )


def require_plain_trainer(trainer: str, *, accepted: bool) -> None:
    """Let a trainer pass that is known to change nothing of inference, or that the user vouches for.

    Raises:
        InputError: a custom trainer.
    """
    if not accepted and not _PLAIN_TRAINERS.fullmatch(trainer):
        raise InputError(
            f"this model was trained by the custom trainer '{trainer}', whose code a model does not bring; if it "
            "changes neither the network nor the preprocessing nor what follows, say so with --plain-trainer."
        )


def own_names(weights: Mapping[str, Any], file: Path) -> dict[str, Tensor]:
    """Weights without the second names under which nnU-Net's networks keep some of them.

    Raises:
        InputError: not tensors, or two names of one layer hold different weights.
    """
    plain = {str(name).removeprefix("module.").removeprefix("_orig_mod."): tensor for name, tensor in weights.items()}
    if not all(isinstance(tensor, Tensor) for tensor in plain.values()):
        raise InputError(f"{file} holds network weights that are not tensors; train the model again.")
    kept: dict[str, Tensor] = {}
    for name, tensor in plain.items():
        first = _first_name(name)
        if first in kept and not _same(kept[first], tensor):
            raise InputError(f"{file} holds two different weights for '{first}'; it is damaged.")
        kept[first] = tensor
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in kept.items()}


def _first_name(name: str) -> str:
    """The decoder holds the encoder again, and each layer its parts again in `all_modules` (0 is the convolution)."""
    name = name.removeprefix("decoder.") if name.startswith("decoder.encoder.") else name
    return re.sub(r"\.all_modules\.(\d+)\.", lambda found: ".conv." if found[1] == "0" else ".norm.", name)


def _same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first, second)


def _numpy_scalars() -> list[Any]:
    """What NumPy's numbers are pickled by, of NumPy 1 and 2."""
    from numpy._core.multiarray import scalar

    return [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        *(getattr(np.dtypes, name) for name in _SCALARS),
    ]
