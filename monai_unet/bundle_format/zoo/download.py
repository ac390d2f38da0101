"""One bundle of the zoo into the user's folder: fetched where it can be taken up again, checked, then moved whole."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from monai_unet.bundle_format.archives import Limits, unpack
from monai_unet.bundle_format.catalogue import Bundle, is_bundle, user_folder
from monai_unet.bundle_format.content import folder_hash
from monai_unet.bundle_format.zoo.addresses import ZooAddresses
from monai_unet.bundle_format.zoo.hub import HubRevision, find_revision
from monai_unet.bundle_format.zoo.listing import ZooArchive, archives, split_version
from monai_unet.bundle_format.zoo.web import NotThereError, fetch
from monai_unet.errors import InputError
from monai_unet.io import file_hash, sha256_of, write_text
from monai_unet.paths import cache_folder

SOURCE = "monai_unet_source.json"
"""Beside the bundle's own files: where it came from, its commit or the hash of its archive."""

Steps = Generator[tuple[int, int], None, "Fetched"]


@dataclass(frozen=True)
class Fetched:
    """A bundle that is on the disk and may not run yet.

    Attributes:
        bundle: in the user's folder.
        version: as it was asked for, or the newest tag.
        source: address of the commit, or of the archive.
        sha256: of all its files, by which consent is remembered.
        notes: what the user should know.
    """

    bundle: Bundle
    version: str
    source: str
    sha256: str
    notes: tuple[str, ...] = ()


def download(wanted: str, folder: Path | None = None, *, addresses: ZooAddresses | None = None) -> Steps:
    """Fetch `NAME` or `NAME@VERSION` into the user's folder; yields (bytes fetched, bytes in all or 0).

    Hugging Face is asked first, then NGC, as `monai.bundle.download` does. Nothing of the bundle is run. Stopped or
    failed, nothing is installed; what was fetched stays in the cache, and the next call goes on there.

    Raises:
        InputError: it is there already, nowhere to be had, cannot be fetched, is not what was stated, or is no bundle.
    """
    name, version = split_version(wanted)
    folder, addresses = folder or user_folder(), addresses or ZooAddresses()
    if (folder / name).exists():
        raise InputError(f"{folder / name} is there already; remove that folder to download the bundle again.")
    found = find_revision(name, version, addresses)
    if found is not None:
        return (yield from _from_hub(name, found, folder, addresses))
    known = [archive for archive in archives(name, addresses) if version in ("", archive.version)]
    if not known and not version:
        raise InputError(f"Neither Hugging Face nor NGC has a bundle called '{name}' of MONAI's Model Zoo.")
    return (yield from _from_archive(name, known[0] if known else ZooArchive(version, "", ""), folder, addresses))


def _from_hub(name: str, found: HubRevision, folder: Path, addresses: ZooAddresses) -> Steps:
    stage = _stage(f"{name}-{found.commit}")
    total, before = sum(file.size for file in found.files), 0
    there = sum(path.stat().st_size for path in stage.rglob("*") if path.is_file())
    _check_size(name, len(found.files), total, there, stage)
    for file in found.files:
        path = stage / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            for done in fetch(addresses.file(name, found.commit, file.path), path, file.size):
                yield before + done, total
        except NotThereError as error:
            raise InputError(f"Hugging Face lists {file.path} of {name} and does not give it; try later.") from error
        if not file.size:
            path.touch()
        if not file.is_right(path):
            path.unlink()
            raise InputError(
                f"{file.path} of {name} is not the file that Hugging Face states (its hash differs); nothing was "
                "installed."
            )
        before += file.size
    for left in set(stage.rglob("*")) - {stage / file.path for file in found.files}:
        if left.is_file():
            left.unlink()
    source = f"{addresses.hugging_face}/MONAI/{name}/tree/{found.commit}"
    return _installed(name, found.version, source, stage, folder, {"commit": found.commit}, ())


def _from_archive(name: str, known: ZooArchive, folder: Path, addresses: ZooAddresses) -> Steps:
    stage = _stage(f"{name}-{known.version}")
    urls = [addresses.archive(name, known.version)]
    urls += [known.url] if known.url.endswith(".zip") and known.url not in urls else []
    packed = stage / f"{name}.zip"
    for url in urls:
        try:
            yield from ((done, 0) for done in fetch(url, packed))
            break
        except NotThereError:
            continue
    else:
        raise InputError(
            f"Neither Hugging Face nor NGC has '{name}' in version {known.version}; leave the version out."
        )
    if known.sha1 and file_hash(packed, "sha1") != known.sha1.lower():
        found = file_hash(packed, "sha1")
        packed.unlink()
        raise InputError(
            f"The download of {name} is not the file that the Model Zoo states "
            f"(SHA-1 {found[:12]}… instead of {known.sha1[:12]}…); nothing was installed."
        )
    hashed = sha256_of(packed)
    notes = () if known.sha1 else (f"No hash is stated for this archive; its SHA-256 is {hashed}.",)
    try:
        with tempfile.TemporaryDirectory(dir=stage, prefix="unpacked-") as temporary:
            root = unpack(packed, Path(temporary) / "into")
            made = _installed(name, known.version, url, root, folder, {"archive_sha256": hashed}, notes)
    except InputError:
        packed.unlink(missing_ok=True)
        raise
    with suppress(OSError):
        shutil.rmtree(stage)
    return made


def _installed(
    name: str, version: str, source: str, root: Path, folder: Path, pinned: dict[str, str], notes: tuple[str, ...]
) -> Fetched:
    """Move a whole bundle into the user's folder."""
    if not is_bundle(root):
        raise InputError(f"{name} holds no configs/metadata.json and is no MONAI bundle.")
    problem = Bundle(name, root, built_in=False).problem
    if problem:
        shutil.rmtree(root, ignore_errors=True)
        raise InputError(f"{name} was not installed: {problem.replace(str(root), name)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
            made = Path(shutil.move(root, Path(temporary) / name))
            write_text(made / SOURCE, json.dumps({"source": source, "version": version, **pinned}, indent=2) + "\n")
            made.rename(folder / name)
    except OSError as error:
        raise InputError(
            f"{name} cannot be put into {folder} ({error.strerror or error}); nothing was installed."
        ) from error
    bundle = Bundle(name, folder / name, built_in=False)
    if not bundle.has_weights:
        notes += ("It comes without models/model.pt; see its README for the weights.",)
    return Fetched(bundle, version, source, folder_hash(bundle.root), notes)


def _stage(name: str) -> Path:
    """Where files are fetched to, to be found again by the next try."""
    stage = cache_folder() / "zoo" / name
    stage.mkdir(parents=True, exist_ok=True)
    return stage


def _check_size(name: str, count: int, total: int, there: int, stage: Path) -> None:
    limits = Limits()
    if count > limits.members or total > limits.gib * 2**30:
        raise InputError(f"{name} has {count} files and {total / 2**30:.1f} GiB, more than a bundle may; it was left.")
    free = shutil.disk_usage(stage).free
    if total - there > free:
        raise InputError(
            f"{name} takes {total / 2**30:.1f} GiB and {stage} has {free / 2**30:.1f} GiB left; make room, or name "
            "another cache folder in MONAI_UNET_CACHE."
        )
