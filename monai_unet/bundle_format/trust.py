"""Consent before a bundle that is not built in may run: its config can name and execute any code."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from pathlib import Path

from monai_unet import paths
from monai_unet.bundle_format.archives import Limits, unpack
from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.content import folder_hash
from monai_unet.bundle_format.private_copy import PrivateCopy, private_copy
from monai_unet.errors import InputError
from monai_unet.io import write_text

__all__ = ["Limits", "folder_hash", "is_trusted", "require_trust", "trust", "trusted_copy", "trusted_file", "unpack"]

_HASH = re.compile("[0-9a-f]{64}")
_writing = threading.Lock()


def trusted_file() -> Path:
    """Where consent is remembered: `~/.monai-unet/trusted.json`, folder hash → bundle name."""
    return paths.trusted_file()


def is_trusted(bundle: Bundle) -> bool:
    """Whether a bundle is built in, or the user has agreed to exactly these files before.

    A folder that cannot be hashed, or a list of consents that is damaged, is no consent.
    """
    if bundle.built_in:
        return True
    agreed, _ = _trusted()
    try:
        return bool(agreed) and folder_hash(bundle.root, remembered=True) in agreed
    except (InputError, OSError):
        return False


def trust(bundle: Bundle) -> None:
    """Remember the user's consent to run this bundle as it is now; a changed file asks anew.

    Raises:
        InputError: the bundle cannot be read, or the consent cannot be written down.
    """
    found = _hash(bundle)
    file = trusted_file()
    try:
        with _writing:
            agreed, problem = _trusted()
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if problem:
                os.replace(file, file.with_suffix(".damaged.json"))
            write_text(file, json.dumps(agreed | {found: bundle.name}, indent=2, sort_keys=True) + "\n")
            with contextlib.suppress(OSError):
                file.chmod(0o600)
    except OSError as error:
        raise InputError(
            f"your consent to run '{bundle.name}' cannot be remembered in {file} ({error.strerror or error}), without "
            "which it does not run; make that folder writable."
        ) from error


def require_trust(bundle: Bundle, *, consent: bool = False) -> None:
    """Let a trusted bundle pass; with `consent`, remember it as trusted.

    Raises:
        InputError: not built in, and never agreed to in this state.
    """
    if is_trusted(bundle):
        return
    if not consent:
        _hash(bundle)  # a folder for which there can be no consent says why
        raise InputError(_refusal(bundle))
    trust(bundle)


def trusted_copy(bundle: Bundle) -> Bundle:
    """The bundle to run: itself when it is built in, else a private copy of files that the user has agreed to.

    The copy is hashed while it is made, so that nothing can change between the check and the use. It belongs to this
    process; each worker makes and checks its own.

    Raises:
        InputError: never agreed to in this state, or it cannot be copied.
    """
    if bundle.built_in or isinstance(bundle, PrivateCopy):
        return bundle
    agreed, _ = _trusted()
    copy = private_copy(bundle, agreed) if agreed else None
    if copy is None:
        raise InputError(_refusal(bundle))
    return copy


def _hash(bundle: Bundle) -> str:
    try:
        return folder_hash(bundle.root)
    except OSError as error:
        raise InputError(
            f"the bundle '{bundle.name}' in {bundle.root} cannot be read ({error.strerror or error}); check its "
            "permissions."
        ) from error


def _refusal(bundle: Bundle) -> str:
    _, problem = _trusted()
    return (
        f"the bundle '{bundle.name}' in {bundle.root} is not built in and its config can run any code on this "
        f"computer{problem}; if you know where it comes from, agree once with --trust."
    )


def _trusted() -> tuple[dict[str, str], str]:
    """What was agreed to, and words that say so where the list of it is damaged: then nothing was."""
    file = trusted_file()
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError, RecursionError):
        entries = None
    if isinstance(entries, dict) and all(_HASH.fullmatch(key) for key in entries):
        return {key: str(name) for key, name in entries.items()}, ""
    return {}, f" ({file}, the list of those you agreed to, is damaged, so that no earlier consent counts)"
