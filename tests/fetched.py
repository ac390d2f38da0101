"""Volumes that travel in Python packages: fetched before the tests by `python tests/fetched.py`, or the tests skip."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from monai_unet.errors import InputError

T = TypeVar("T")


def fetched_or_skip(fetch: Callable[[], T]) -> T:
    """What `fetch` gives; the test skips, with the reason, where it would have to ask the network."""
    import loopback_only
    import pytest

    try:
        with loopback_only.unrecorded():
            return fetch()
    except InputError as error:
        pytest.skip(f"the volume is not at hand, see tests/fetched.py: {error}")


def main() -> None:
    """Fetch all of them through the package index, once; what cannot be had is named."""
    from monai_unet.samples import hippocampus_demo, tumour_demo

    for fetch in (hippocampus_demo.template, tumour_demo.patient):
        try:
            fetch()
        except InputError as error:
            print(f"tests of a demonstration will skip: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
