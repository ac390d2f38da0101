"""How long a training may take, in the words of the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from monai_unet.errors import InputError

_UNITS = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "hours": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Budget:
    """What a training may take: seconds of its steps, or epochs; the other is 0."""

    seconds: float = 0.0
    epochs: int = 0

    def __str__(self) -> str:
        if self.epochs:
            return f"{self.epochs} epochs"
        if self.seconds < 120:
            return f"{self.seconds:g} s"
        return f"{self.seconds / 60:g} min" if self.seconds < 7200 else f"{self.seconds / 3600:g} h"


def budget_of(text: str) -> Budget:
    """A budget such as "30min", "4h", "240s" or "50 epochs".

    Raises:
        InputError: it is none of these.

    >>> budget_of("30min"), budget_of("50epochs")
    (Budget(seconds=1800.0, epochs=0), Budget(seconds=0.0, epochs=50))
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text.lower())
    if match is not None:
        number, unit = float(match[1]), match[2]
        if unit in ("epoch", "epochs") and number == int(number) and number >= 1:
            return Budget(epochs=int(number))
        if unit in _UNITS and number > 0:
            return Budget(seconds=number * _UNITS[unit])
    raise InputError(f"{text!r} is no budget; give a time such as 30min or 4h, or a number of epochs such as 50epochs.")


def memory_of(text: str) -> float | None:
    """GiB of a memory limit such as "8GiB", or None for "auto" and "cpu".

    Raises:
        InputError: it is no size.

    >>> memory_of("8GiB"), memory_of("512MiB"), memory_of("auto")
    (8.0, 0.5, None)
    """
    if text.lower() in ("auto", "cpu"):
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(gib|gb|g|mib|mb|m)\s*", text.lower())
    factors = {"gib": 1.0, "g": 1.0, "gb": 1e9 / 2**30, "mib": 1 / 1024, "m": 1 / 1024, "mb": 1e6 / 2**30}
    if match is None or float(match[1]) <= 0:
        raise InputError(f"{text!r} is no memory limit; give a size such as 8GiB, or auto or cpu.")
    return float(match[1]) * factors[match[2]]
