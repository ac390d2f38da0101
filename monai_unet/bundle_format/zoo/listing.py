"""What the zoo offers: the names of Hugging Face and of the older index together, each in its newest version."""

from __future__ import annotations

import re
from dataclasses import dataclass

from monai_unet.bundle_format.zoo.addresses import ZooAddresses
from monai_unet.bundle_format.zoo.web import NotThereError, read_json
from monai_unet.errors import InputError

_OTHER_TASKS = re.compile(
    "classification|detection|gan$|generati|landmark|pathology|endoscopic|autoencoder|diffusion|nuclei|hovernet"
    "|image_to|^llama|vila|checkpoint|exaone",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


@dataclass(frozen=True)
class ZooModel:
    """One bundle of the zoo.

    Attributes:
        name: by which it is fetched.
        version: the newest archive of the older index; "" for what Hugging Face has, whose newest tag is looked up when
            it is fetched.
        licence: short name, "" where none is stated before the download.
    """

    name: str
    version: str = ""
    licence: str = ""


@dataclass(frozen=True)
class ZooArchive:
    """One version in the older index: where its zip is, and its SHA-1 ("" where none is stated)."""

    version: str
    url: str
    sha1: str


def split_version(wanted: str) -> tuple[str, str]:
    """Name and version of `NAME` or `NAME@VERSION`; a version may be a tag or a commit of 40 hexadecimal digits.

    Raises:
        InputError: letters that no name of the zoo has.

    >>> split_version("spleen_ct_segmentation@0.5.9")
    ('spleen_ct_segmentation', '0.5.9')
    """
    name, at, version = wanted.partition("@")
    if not _NAME.fullmatch(name) or (at and not _VERSION.fullmatch(version)):
        raise InputError(f"'{wanted}' names no bundle of the Model Zoo; write NAME or NAME@VERSION.")
    return name, version


def list_models(addresses: ZooAddresses | None = None) -> list[ZooModel]:
    """The zoo's bundles that segment volumes, by name.

    Raises:
        InputError: neither host can be reached, or one says what it should not.
    """
    addresses = addresses or ZooAddresses()
    found: dict[str, ZooModel] = {}
    problems = []
    for ask in (_from_index, _from_hugging_face):
        try:
            for model in ask(addresses):
                found[model.name] = model  # of two that have it, Hugging Face has the newer version
        except (InputError, NotThereError) as error:
            problems.append(error)
    if len(problems) == 2:
        raise InputError(str(problems[0])) from problems[0]
    return [found[name] for name in sorted(found, key=str.lower) if not _OTHER_TASKS.search(name)]


def archives(name: str, addresses: ZooAddresses) -> list[ZooArchive]:
    """The versions of one bundle in the older index, the newest first.

    Raises:
        InputError: the index cannot be reached, or is none.
    """
    found = [archive for other, archive in _entries(addresses) if other == name]
    return sorted(found, key=lambda archive: numbers(archive.version), reverse=True)


def numbers(version: str) -> tuple[tuple[int, ...], bool, str]:
    """To order versions by: 0.10.0 is newer than 0.9.9, and than 0.10.0rc1."""
    plain = re.match(r"v?[\d.]*", version)
    head = plain.group() if plain else ""
    return tuple(int(part) for part in re.findall(r"\d+", head)), head == version, version


def _from_index(addresses: ZooAddresses) -> list[ZooModel]:
    newest: dict[str, str] = {}
    for name, archive in _entries(addresses):
        if name not in newest or numbers(archive.version) > numbers(newest[name]):
            newest[name] = archive.version
    return [ZooModel(name, version) for name, version in newest.items()]


def _entries(addresses: ZooAddresses) -> list[tuple[str, ZooArchive]]:
    stated = read_json(addresses.index)
    if not isinstance(stated, dict):
        raise InputError("The Model Zoo's index is not a list of bundles; try again later.")
    found = []
    for key, entry in stated.items():
        name, _, version = str(key).rpartition("_v")
        if _NAME.fullmatch(name) and _VERSION.fullmatch(version) and isinstance(entry, dict):
            found.append((name, ZooArchive(version, str(entry.get("source", "")), str(entry.get("checksum") or ""))))
    return found


def _from_hugging_face(addresses: ZooAddresses) -> list[ZooModel]:
    stated = read_json(addresses.models())
    if not isinstance(stated, list):
        raise InputError("Hugging Face's list of MONAI's models is not a list; try again later.")
    found = []
    for entry in stated:
        owner, _, name = str(entry.get("id", "")).partition("/") if isinstance(entry, dict) else ("", "", "")
        tags = [str(tag) for tag in entry.get("tags") or []] if isinstance(entry, dict) else []
        if owner == "MONAI" and _NAME.fullmatch(name) and "monai" in [tag.lower() for tag in tags]:
            licence = next((tag.partition(":")[2] for tag in tags if tag.startswith("license:")), "")
            found.append(ZooModel(name, licence=licence))
    return found
