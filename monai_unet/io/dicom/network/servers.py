"""Which PACS there are and how they are reached: a YAML file that only its owner may read, as passwords stand in it.

default: clinic
servers:
  clinic:
    host: pacs.clinic.example
    port: 104
    ae_title: PACS
  research:
    url: https://orthanc.example/dicom-web
    user: reader
    password: secret
    tls: {ca: clinic-ca.pem}
"""

from __future__ import annotations

import difflib
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import yaml

from monai_unet.errors import InputError
from monai_unet.mappings import JsonView

_Settings = TypeVar("_Settings")


@dataclass(frozen=True)
class Tls:
    """Encryption of a link.

    Attributes:
        ca: certificates that vouch for the other side; None: those of the system.
        certificate, key: our own, in PEM; None where the other side asks for none.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self, *, listening: bool = False) -> ssl.SSLContext:
        """What wraps a socket; listening with `ca`, callers must show a certificate that it vouches for.

        Raises:
            InputError: a file is missing or no certificate or key.
        """
        try:
            if listening:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                if self.ca is not None:
                    context.load_verify_locations(self.ca)
                    context.verify_mode = ssl.CERT_REQUIRED
            else:
                context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except FileNotFoundError as error:
            named = ", ".join(str(p) for p in (self.ca, self.certificate, self.key) if p is not None and not p.exists())
            raise InputError(f"tls: {named or error.filename} does not exist; check the path.") from None
        except (ssl.SSLError, OSError) as error:
            raise InputError(
                f"tls: {self.certificate or self.ca} cannot be used as certificate and key ({error}); give PEM files."
            ) from None
        return context


@dataclass(frozen=True)
class DimseServer:
    """A PACS reached by DIMSE.

    Attributes:
        name: by which the user calls it.
        host, port: where it listens.
        ae_title: what it is called, and `our_ae_title` what it knows us as.
        retrieve: how images are fetched: "get", over the same connection, or "move", for which the PACS calls back.
        receive_port: where we listen for C-MOVE; the PACS must know it as the port of `our_ae_title`.
        receive_address: of which interface.
        tls: None: plain.
        timeout: seconds without an answer after which a link counts as broken.
    """

    name: str
    host: str
    port: int
    ae_title: str
    our_ae_title: str = "MONAI-UNET"
    retrieve: Literal["get", "move"] = "get"
    receive_port: int = 0
    receive_address: str = "127.0.0.1"
    tls: Tls | None = None
    timeout: float = 30.0

    def __str__(self) -> str:
        return f"{self.name} ({self.ae_title} at {self.host}:{self.port})"


@dataclass(frozen=True)
class WebServer:
    """A PACS reached by DICOMweb.

    Attributes:
        name: by which the user calls it.
        url: the root, under which `/studies` lies.
        user, password: of HTTP's basic authentication; empty: none.
        token: of a bearer; empty: none.
        tls: what to trust and to show; None: as the system does.
        timeout: seconds without an answer after which a link counts as broken.
    """

    name: str
    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    tls: Tls | None = None
    timeout: float = 30.0

    def __str__(self) -> str:
        return f"{self.name} ({self.url})"


Server = DimseServer | WebServer


def read_servers(path: str | Path) -> tuple[dict[str, Server], str]:
    """The servers of a file by name, and which is meant where none is named (empty where there is no choice made).

    Raises:
        InputError: others may read the file, or something in it is wrong; the sentence says where.
    """
    path = Path(path)
    stated = read_private_yaml(path)
    unknown(stated, ("default", "servers"), str(path))
    servers = stated.get("servers")
    if not isinstance(servers, Mapping) or not servers:
        raise InputError(f"{path} names no server; write one below 'servers:' (see docs/pacs.md).")
    found = {
        str(name): parse_server(str(name), settings, f"{path}, server '{name}'", path.parent)
        for name, settings in servers.items()
    }
    default = str(stated.get("default") or (next(iter(found)) if len(found) == 1 else ""))
    if default and default not in found:
        raise InputError(f"{path}: the default '{default}' is none of the servers {', '.join(found)}.")
    return found, default


def one_of(servers: Mapping[str, Server], default: str, name: str | None) -> Server:
    """The server of a name, or the default.

    Raises:
        InputError: no such server, or none named and no default.
    """
    wanted = name or default
    if not wanted:
        raise InputError(f"say which PACS is meant, --pacs NAME: {', '.join(servers)}.")
    if wanted not in servers:
        raise InputError(f"there is no PACS '{wanted}'; known are {', '.join(servers)}.")
    return servers[wanted]


def read_private_yaml(path: Path) -> JsonView:
    """A mapping from a YAML file that nobody else may read.

    Raises:
        InputError: missing, readable for others, or no mapping.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; write one as docs/pacs.md shows.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); check it.") from None
    if os.name != "nt" and mode & 0o077:
        raise InputError(f"{path} may be read by others, and passwords can stand in it; chmod 600 {path}")
    try:
        stated = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(stated, Mapping):
        raise InputError(f"{path} holds no settings; write 'name: value' lines (see docs/pacs.md).")
    return stated


def parse_server(name: str, settings: object, place: str, folder: Path) -> Server:
    """A server from what stands under its name; with `url` it is DICOMweb, else DIMSE.

    Args:
        place: how a sentence calls it.
        folder: from which relative paths of certificates count.

    Raises:
        InputError: a setting is missing, unknown or of a wrong kind.
    """
    if not isinstance(settings, Mapping):
        raise InputError(f"{place}: write its settings as 'name: value' lines below it.")
    given = dict(settings)
    if given.get("tls") is not None:
        given["tls"] = parse_tls(given["tls"], f"{place}, tls", folder)
    if "url" in given:
        web = from_settings(WebServer, {**given, "name": name}, place)
        if urlsplit(web.url).scheme not in ("http", "https") or not urlsplit(web.url).hostname:
            raise InputError(f"{place}: url must begin with http:// or https://, got '{web.url}'.")
        if web.timeout <= 0:
            raise InputError(f"{place}: timeout must be more than 0 seconds, got {web.timeout:g}.")
        return web
    server = from_settings(DimseServer, {**given, "name": name}, place)
    _check_dimse(server, place)
    return server


def _check_dimse(server: DimseServer, place: str) -> None:
    for what, title in (("ae_title", server.ae_title), ("our_ae_title", server.our_ae_title)):
        check_ae_title(title, f"{place}: {what}")
    if server.retrieve not in ("get", "move"):
        raise InputError(f"{place}: retrieve is get or move, not '{server.retrieve}'.")
    if server.retrieve == "move" and not server.receive_port:
        raise InputError(f"{place}: retrieve: move needs receive_port, the port that the PACS knows us by.")
    if not 0 < server.port < 65536 or not 0 <= server.receive_port < 65536:
        raise InputError(f"{place}: a port is a number from 1 to 65535.")
    if server.timeout <= 0:
        raise InputError(f"{place}: timeout must be more than 0 seconds, got {server.timeout:g}.")


def check_ae_title(title: str, place: str) -> None:
    """Raises InputError for what PS3.5 does not allow as an AE title."""
    if not 1 <= len(title.strip()) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise InputError(f"{place} has 1 to 16 letters of ASCII and no backslash, got '{title}'.")


def parse_tls(settings: object, place: str, folder: Path) -> Tls:
    """Paths of certificates; relative ones count from `folder`.

    Raises:
        InputError: an unknown setting, or a key without certificate.
    """
    if not isinstance(settings, Mapping):
        raise InputError(f"{place}: write ca, certificate and key below it.")
    tls = from_settings(Tls, {key: folder / str(value) for key, value in settings.items() if value is not None}, place)
    if tls.key is not None and tls.certificate is None:
        raise InputError(f"{place}: a key without a certificate; give both.")
    return tls


def unknown(given: JsonView, known: Sequence[str], place: str) -> None:
    """Raises InputError for a setting that does not exist, with the one that may be meant."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            meant = f"; is {near[0]} meant?" if near else f"; known are {', '.join(known)}."
            raise InputError(f"{place}: there is no setting '{name}'{meant}")


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


def from_settings(kind: type[_Settings], given: JsonView, place: str) -> _Settings:
    """A dataclass from settings of a file, each of the kind that its field says.

    Raises:
        InputError: one is missing, unknown or of another kind.
    """
    declared = fields(kind)  # type: ignore[arg-type]
    unknown(given, [item.name for item in declared], place)
    for item in declared:
        if item.name not in given:
            if item.default is MISSING and item.default_factory is MISSING:
                raise InputError(f"{place}: {item.name} is missing.")
            continue
        value, allowed = given[item.name], _KINDS.get(str(item.type))
        wrong = isinstance(value, bool) and allowed != (bool,)
        if allowed is not None and (wrong or not isinstance(value, allowed)):
            raise InputError(f"{place}: {item.name} must be {_in_words(str(item.type))}, got {value!r}.")
    return kind(**given)


def _in_words(kind: str) -> str:
    return {"str": "text (put it in quotes)", "int": "a whole number", "float": "a number", "bool": "true or false"}[
        kind
    ]
