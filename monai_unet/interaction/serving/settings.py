"""What `monai-unet serve` is told: one TOML file, every field checked, the command line above it."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
import socket
import tomllib
import typing
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Literal, get_args, get_origin

from monai_unet.errors import InputError
from monai_unet.interaction.remote import KEY_VARIABLE, PORT, packer

LEAST_KEY = 16
"""Letters of a key: less can be guessed."""


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """How the editor is served.

    Attributes:
        bundle: an editor's name or folder, or "classical".
        host: address to listen on; another than loopback asks for a key.
        port: 0 takes a free one.
        key_file: whose first line every client must send; "" takes `$NN_INTERACTIVE_API_KEY` where it is set.
        sessions: clients at a time.
        idle_seconds: without a prompt, after which a session ends.
        alive_seconds: without any sign of life, after which one ends.
        image_mvoxel: millions of voxels of one image.
        memory_gib: of the images and masks of all clients.
        images: "disk" (temporary files without names, out of memory while nobody clicks) or "memory".
        answer_threads: of the network; 0 leaves it to PyTorch and OpenVINO.
        audit: file of the audit lines; "" is standard error.
    """

    bundle: str = "lesion_editor"
    host: str = "127.0.0.1"
    port: int = PORT
    key_file: str = ""
    sessions: int = 4
    idle_seconds: float = 600.0
    alive_seconds: float = 60.0
    image_mvoxel: float = 512.0
    memory_gib: float = 8.0
    images: Literal["disk", "memory"] = "disk"
    answer_threads: int = 0
    audit: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


_BOUNDS = {
    "port": (0, 65535),
    "sessions": (1, 256),
    "idle_seconds": (5, 86400),
    "alive_seconds": (5, 86400),
    "image_mvoxel": (0.001, 65536),
    "memory_gib": (0.01, 4096),
    "answer_threads": (0, 1024),
}


def read_settings(path: Path | None, **given: str | int | None) -> ServeSettings:
    """The settings of a file, those given beside it (not None) above them.

    Raises:
        InputError: the file cannot be read, or a field is unknown, of the wrong kind or out of bounds.
    """
    values: dict[str, object] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror or error}); check the path.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is no TOML file ({error}); correct that line.") from error
    values |= {name: value for name, value in given.items() if value is not None}
    return _checked(values, str(path or "the command line"))


def read_key(settings: ServeSettings) -> str:
    """The key that clients must send; "" where none is asked for.

    Raises:
        InputError: the file cannot be read or holds no good key, or other computers may connect and there is none.
    """
    where, key = settings.key_file or f"${KEY_VARIABLE}", os.environ.get(KEY_VARIABLE, "")
    if settings.key_file:
        try:
            key = Path(settings.key_file).read_text(encoding="utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"the key file {where} cannot be read ({error}); make it readable for the server."
            ) from error
    if settings.key_file or key:
        if len(key) < LEAST_KEY or not key.isascii() or not key.isprintable():
            raise InputError(f"the key in {where} has less than {LEAST_KEY} plain letters; write a longer one.")
        return key
    if not settings.is_loopback:
        raise InputError(
            f"{settings.host} can be reached by other computers: name a key that clients must send, by key_file or "
            f"${KEY_VARIABLE}."
        )
    return ""


def check_settings(settings: ServeSettings) -> list[str]:
    """Look at everything that a start would need, short of loading the model; lines that say what was found.

    Raises:
        InputError: the first thing that would keep the server from starting.
    """
    from monai_unet.bundle_format import find_bundle, is_trusted
    from monai_unet.interaction.answering import CLASSICAL

    packer()
    key = read_key(settings)
    said = [f"listens on {settings.host}:{settings.port}, {'with' if key else 'without'} a key"]
    if settings.bundle != CLASSICAL:
        bundle = find_bundle(settings.bundle)
        if bundle.kind != "editor":
            raise InputError(
                f"the bundle '{bundle.name}' segments by itself and answers no prompts; use lesion_editor."
            )
        if not bundle.has_weights:
            raise InputError(f"the bundle '{bundle.name}' in {bundle.root} has no models/model.pt; download it again.")
        if not is_trusted(bundle):
            raise InputError(f"the bundle '{bundle.name}' is not built in; agree once to run it: serve --trust.")
    said.append(f"answers by {settings.bundle}")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise InputError(no_port(settings, error)) from error
    said.append(
        f"{settings.sessions} sessions, {settings.image_mvoxel:g} million voxels an image, "
        f"{settings.memory_gib:g} GiB of images in all, on {settings.images}"
    )
    return said


def no_port(settings: ServeSettings, error: OSError) -> str:
    """One sentence on an address that cannot be listened on."""
    reason = error.strerror or error
    return f"{settings.host}:{settings.port} cannot be listened on ({reason}); stop what has it or name another port."


def _checked(values: dict[str, object], where: str) -> ServeSettings:
    hints = typing.get_type_hints(ServeSettings)
    for name, value in values.items():
        if name not in hints:
            near = difflib.get_close_matches(name, hints, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"it may be {', '.join(hints)}."
            raise InputError(f"{where}: '{name}' is no setting of the server; {hint}")
        values[name] = _value(where, name, value, hints[name])
    return dataclasses.replace(ServeSettings(), **values)  # type: ignore[arg-type]


def _value(where: str, name: str, value: object, kind: type | UnionType) -> object:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise InputError(f"{where}: '{name}' must be one of {', '.join(get_args(kind))}, not {value!r}.")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        words = {str: "a text in quotes", int: "a whole number", float: "a number"}
        raise InputError(f"{where}: '{name}' must be {words[kind]}, not {value!r}.")  # type: ignore[index]
    low, high = _BOUNDS.get(name, (None, None))
    if low is not None and high is not None and not low <= value <= high:  # type: ignore[operator]
        raise InputError(f"{where}: '{name}' must be from {low} to {high}, not {value!r}.")
    return value
