"""numba's `njit` with its cache in the program's cache folder: what it compiles stays out of the installed package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core import config as _config

from monai_unet.paths import numba_folder

config: Any = _config
Function = TypeVar("Function", bound=Callable[..., Any])


def njit(*, cache: bool = False, **options: Any) -> Callable[[Function], Function]:
    """As `numba.njit`; `$NUMBA_CACHE_DIR` is used where it is set, and other packages' caches stay where they are."""

    def compiled(function: Function) -> Function:
        before = config.CACHE_DIR
        try:
            # where numba looks while it decorates is where this function is kept
            config.CACHE_DIR = before or str(numba_folder())
            result: Function = numba.njit(cache=cache, **options)(function)
        finally:
            config.CACHE_DIR = before
        return result

    return compiled
