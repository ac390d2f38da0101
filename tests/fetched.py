"""Volumes that travel in Python packages, for tests: fetched through the package index, or the test skips."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from monai_unet.errors import InputError

T = TypeVar("T")


def fetched_or_skip(fetch: Callable[[], T]) -> T:
    """What `fetch` gives; the test skips, with the reason, where the package index cannot be reached."""
    try:
        return fetch()
    except InputError as error:
        pytest.skip(f"the volume cannot be fetched: {error}")
