"""Half the time of a training on a CPU that computes bfloat16 itself; MONAI's `amp` is for CUDA alone."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_unet.inferers import cpu_has_bf16


class BFloat16Inferer(Inferer):
    """The whole batch through the network, on a CPU with bfloat16 instructions in this precision, else as it is.

    For training: activations are bfloat16, weights and the loss stay float32.

    Args:
        enabled: False computes in float32 everywhere.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        super().__init__()
        self.enabled = enabled and cpu_has_bf16()

    def __call__(self, inputs: Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        """Logits (N, C, *spatial) in float32, or a list of them with deep supervision."""
        if inputs.device.type != "cpu" or not self.enabled:
            return network(inputs, *args, **kwargs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = network(inputs, *args, **kwargs)
        return outputs.float() if isinstance(outputs, Tensor) else [output.float() for output in outputs]
