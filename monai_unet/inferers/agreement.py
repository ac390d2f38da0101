"""OpenVINO where it agrees: the one decision whether a converted network may stand in for PyTorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from monai_unet import paths
from monai_unet.errors import InputError
from monai_unet.inferers.runtime import AGREEMENT, OpenVINONetwork, openvino_installed

Runtime = Literal["auto", "torch", "openvino"]
"""What computes a network on a CPU; "auto": OpenVINO where it is installed and agrees with PyTorch."""

_RUNTIMES = ("auto", "torch", "openvino")
_INSTEAD = "use the runtime torch."

logger = logging.getLogger(__name__)


def require_runtime(runtime: str) -> None:
    """Refuse a runtime that there is not, here or at all.

    Raises:
        InputError: no such runtime, or OpenVINO is asked for and not installed.
    """
    if runtime not in _RUNTIMES:
        raise InputError(f"there is no runtime '{runtime}'; use auto, torch or openvino.")
    if runtime == "openvino" and not openvino_installed():
        raise InputError("OpenVINO is not installed; install monai-unet[openvino], or use the runtime torch.")


def agreeing_openvino(
    modules: Sequence[nn.Module], *, channels: int, runtime: Runtime = "auto", cache: Path | None = None
) -> list[OpenVINONetwork]:
    """Networks converted for OpenVINO whose logits are PyTorch's; none at all where one of them differs or fails.

    Args:
        modules: in evaluation mode, on the CPU, in single precision.
        channels: of their input.
        runtime: "torch" converts nothing; with "openvino" a network that differs is refused instead of left to PyTorch.
        cache: folder in which conversions are kept for the next start; by default in the cache folder.

    Raises:
        InputError: the runtime is "openvino", and it is not installed, cannot run a network, or differs from PyTorch.
    """
    require_runtime(runtime)
    if runtime == "torch" or not openvino_installed():
        return []
    folder = cache if cache is not None else paths.openvino_folder()
    converted = [OpenVINONetwork(module, channels=channels, cache=folder) for module in modules]
    try:
        with warnings.catch_warnings():
            # a network's check of its input is traced as the constant that it is
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            differences = [network.check() for network in converted]
    except Exception as error:
        if runtime == "openvino":
            raise InputError(f"OpenVINO cannot run this network ({error}); {_INSTEAD}") from error
        logger.info("OpenVINO cannot run this network: %s", error)
        return []
    if all(difference <= AGREEMENT for difference in differences):
        return converted
    if runtime == "openvino":
        raise InputError(f"OpenVINO's result for this network differs from PyTorch's; {_INSTEAD}")
    logger.info("OpenVINO's logits differ from PyTorch's by %s of their spread", differences)
    return []
