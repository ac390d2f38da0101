"""Where model bundles are found: built in, in the user's folder, and in `$MONAI_UNET_BUNDLES`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from monai_unet import paths
from monai_unet.bundle_format.description import BundleDescription, Kind
from monai_unet.bundle_format.metadata import read_description
from monai_unet.errors import InputError

VARIABLE = "MONAI_UNET_BUNDLES"


@dataclass(frozen=True)
class Bundle:
    """A model bundle on disk.

    Attributes:
        name: the folder's name, by which commands call it.
        root: the bundle's folder, with `configs/` in it.
        built_in: whether it comes with this package (and is trusted to run).
    """

    name: str
    root: Path
    built_in: bool

    @property
    def metadata_file(self) -> Path:
        """Where it says what it is: `configs/metadata.json`."""
        return metadata_file(self.root)

    @property
    def description(self) -> BundleDescription:
        """What it says about itself, parsed once for as long as the file is the same.

        Raises:
            InputError: the metadata cannot be used; the message names the file and the place.
        """
        return read_description(self.metadata_file)

    @property
    def problem(self) -> str:
        """One sentence that says why its metadata cannot be used; "" for a sound bundle. Lists ask this first."""
        try:
            read_description(self.metadata_file)
        except InputError as error:
            return str(error)
        return ""

    @property
    def kind(self) -> Kind:
        """As its description says.

        Raises:
            InputError: the metadata cannot be used.
        """
        return self.description.kind

    @property
    def has_weights(self) -> bool:
        """Whether `models/model.pt` is there."""
        return (self.root / "models" / "model.pt").is_file()


def built_in_folder() -> Path:
    """Folder of the bundles that come with the package (installed or editable)."""
    from importlib.resources import files

    return Path(str(files("monai_unet.bundles")))


def user_folder() -> Path:
    """The user's own folder of bundles, `~/.monai-unet/bundles` (it need not exist)."""
    return paths.bundles_folder()


def find_bundles() -> list[Bundle]:
    """All bundles found, also those whose metadata cannot be used (see `Bundle.problem`).

    Of two with one name the first found wins: built in, user's folder, `$MONAI_UNET_BUNDLES`.
    """
    folders = [built_in_folder(), user_folder()]
    folders += [Path(p) for p in os.environ.get(VARIABLE, "").split(os.pathsep) if p]
    found: dict[str, Bundle] = {}
    for place, folder in enumerate(folders):
        for root in sorted(folder.iterdir()) if folder.is_dir() else []:
            if is_bundle(root):
                found.setdefault(root.name, Bundle(root.name, root, built_in=place == 0))
    return list(found.values())


def find_bundle(name: str | Path) -> Bundle:
    """The bundle of that name, or the bundle in that folder.

    Raises:
        InputError: neither; the message lists what was found.
    """
    bundles = {bundle.name: bundle for bundle in find_bundles()}
    if str(name) in bundles:
        return bundles[str(name)]
    root = Path(name)
    if is_bundle(root):
        known = [bundle for bundle in bundles.values() if bundle.built_in and bundle.root.samefile(root)]
        return known[0] if known else Bundle(root.name, root, built_in=False)
    raise InputError(
        f"no bundle called '{name}': it must be one of {', '.join(bundles) or '(none found)'}, "
        "or a folder that holds configs/metadata.json."
    )


def is_bundle(root: Path) -> bool:
    """Whether a folder is a MONAI bundle."""
    return metadata_file(root).is_file()


def metadata_file(root: Path) -> Path:
    """Where the bundle in a folder says what it is."""
    return root / "configs" / "metadata.json"
