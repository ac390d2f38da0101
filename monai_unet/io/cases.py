"""What a path given by the user stands for: the cases below it."""

from __future__ import annotations

from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.volume import VOLUME_SUFFIXES


def find_cases(path: str | Path) -> list[dict[str, str]]:
    """One dictionary `{"image": path}` per case: a file is one case, a folder one case per volume in it.

    Raises:
        InputError: nothing there, or nothing that is a volume.
    """
    path = Path(path)
    if path.is_file():
        return [{"image": str(path)}]
    if not path.is_dir():
        raise InputError(f"{path} does not exist; check the path.")
    found = sorted(p for p in path.iterdir() if p.name.lower().endswith(VOLUME_SUFFIXES) and not p.name.startswith("."))
    if not found:
        raise InputError(f"{path} holds no volume ({', '.join(VOLUME_SUFFIXES)}); name a folder of volumes.")
    return [{"image": str(p)} for p in found]
