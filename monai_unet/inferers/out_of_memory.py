"""When memory does not suffice."""

from __future__ import annotations

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of PyTorch, OpenVINO or Python says that memory ran out."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    text = str(error).lower()
    phrases = ("out of memory", "can't allocate memory", "bad allocation", "not enough memory")
    return any(phrase in text for phrase in phrases)


def release_memory(device: torch.device) -> None:
    """Give back what PyTorch keeps for the next allocation, whose size will be another one."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
