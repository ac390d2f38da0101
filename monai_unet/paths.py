"""Where this program keeps what is its own: the one owner of `~/.monai-unet` and of the folder for caches.

What a user did or agreed to lies in `~/.monai-unet`, readable by nobody else (files 0600, folders 0700): the names of
images and lesions stand in it. What can be made again lies in the platform's cache folder.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

CACHE_VARIABLE = "MONAI_UNET_CACHE"


def own_folder() -> Path:
    """`~/.monai-unet`; it need not exist."""
    return Path.home() / ".monai-unet"


def bundles_folder() -> Path:
    """The user's own bundles."""
    return own_folder() / "bundles"


def trusted_file() -> Path:
    """Consent to run bundles that are not built in."""
    return own_folder() / "trusted.json"


def pacs_file() -> Path:
    """Which PACS there are, with passwords."""
    return own_folder() / "pacs.yaml"


def sessions_folder() -> Path:
    """Journals of edit sessions."""
    return own_folder() / "sessions"


def trainings_folder() -> Path:
    """Runs of trainings started in the plugin."""
    return own_folder() / "trainings"


def samples_folder() -> Path:
    """Volumes of the plugin's samples."""
    return own_folder() / "samples"


def cache_folder() -> Path:
    """What can be fetched or made again: `$MONAI_UNET_CACHE`, else the platform's cache folder."""
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE])
    import platformdirs

    return Path(platformdirs.user_cache_dir("monai-unet", appauthor=False))


def openvino_folder() -> Path:
    """Networks converted and compiled by OpenVINO."""
    return cache_folder() / "openvino"


def numba_folder() -> Path:
    """Functions compiled by numba."""
    return cache_folder() / "numba"


def spare_the_home() -> None:
    """Let matplotlib keep its list of fonts among the caches, before any package imports it.

    It makes two folders in the home otherwise. One that the user has for it, with settings perhaps, stays in use.
    Where no cache can be written it gets a folder until the program ends, else it would say so at each start.
    """
    if "MPLCONFIGDIR" in os.environ:
        return
    with suppress(RuntimeError):  # a user without a home
        homes = (Path.home() / ".matplotlib", Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser())
        if not _is_there(homes[0]) and not _is_there(homes[1] / "matplotlib"):
            os.environ["MPLCONFIGDIR"] = str(_folder_that_can_be_written(cache_folder() / "matplotlib"))


def _is_there(path: Path) -> bool:
    with suppress(OSError):  # a home that may not be looked into
        return path.exists()
    return False


def _folder_that_can_be_written(folder: Path) -> Path:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    import atexit
    import shutil
    import tempfile

    made = tempfile.mkdtemp(prefix="monai-unet-fonts-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def is_private(path: str | Path) -> bool:
    """Whether a path lies in the user's own folder, where nobody else may read."""
    try:
        return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(own_folder()))
    except RuntimeError:  # a user without a home
        return False


def make_private(folder: str | Path) -> None:
    """Make a folder that only the user may enter, and close those above it that are the program's own.

    Raises:
        OSError: it cannot be made.
    """
    folder = Path(os.path.abspath(folder))
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    for part in reversed(missing):
        with suppress(FileExistsError):
            part.mkdir(mode=0o700)
    if os.name == "nt" or not is_private(folder):
        return
    for part in (folder, *folder.parents):
        if is_private(part) and not part.is_symlink() and part.stat().st_mode & 0o077:
            with suppress(OSError):  # made by another user of a shared home
                part.chmod(0o700)
