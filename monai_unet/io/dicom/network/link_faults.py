"""Why a PACS could not be reached, or refused, in one sentence."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from monai_unet.errors import InputError
from monai_unet.io.dicom.network.queries import LinkError, PermanentError
from monai_unet.io.dicom.network.servers import DimseServer

if TYPE_CHECKING:
    from pynetdicom.association import Association

_STATUS = {
    0xA7: "it has no room, or no resources",
    0xA9: "the data do not match what was announced",
    0xC0: "it cannot understand or process it",
    0x01: "it does not offer or allow that",
    0xFE: "it cancelled",
}


def status_fault(status: Dataset) -> str:
    """A status of PS3.7 annex C in words, with its number."""
    code = int(status.Status)
    words = _STATUS.get(code >> 8, _STATUS[0xC0] if code >> 12 == 0xC else "it reported a failure")
    stated = str(status.get("ErrorComment") or "").strip()
    return f"{words} (status 0x{code:04X}{', ' + stated if stated else ''})"


def association_fault(link: Association, server: DimseServer, tls: ssl.SSLContext | None) -> InputError:
    """Why an association was not established; the server is asked once more for the reason where it can be told."""
    if link.is_rejected:
        answer = link.acceptor.primitive
        reason = (getattr(answer, "result_source", None), getattr(answer, "diagnostic", None))
        if reason == (1, 7):
            return PermanentError(f"{server}: nobody there is called {server.ae_title}; check ae_title.")
        if reason == (1, 3):
            return PermanentError(
                f"{server} does not know us as {server.our_ae_title}; register it there, or set our_ae_title."
            )
        if reason[0] == 3:
            return LinkError(f"{server} is too busy to take a connection now.")
        return PermanentError(f"{server} refused the connection ({_said(answer)}); ask who runs it.")
    if getattr(link.acceptor.primitive, "result", None) == 0 and not link.accepted_contexts:
        return PermanentError(f"{server} offers none of what was asked for; it may be the wrong server or port.")
    return _reach(server, tls) or LinkError(
        f"{server} broke off before the connection stood, or refused all that was proposed; "
        "check ae_title, our_ae_title and whether it wants TLS."
    )


def route_to(server: DimseServer) -> tuple[str, str]:
    """The server's address, and our own of the interface that leads there; nothing is sent.

    Raises:
        PermanentError: its name is not known.
        LinkError: no interface leads there.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)
            return str(address[0]), str(probe.getsockname()[0])
    except socket.gaierror:
        raise PermanentError(f"{server}: the name {server.host} is not known; check host.") from None
    except OSError as error:
        raise LinkError(f"{server} cannot be reached ({error.strerror or error}); check the network.") from None


def _said(answer: object) -> str:
    try:
        return str(getattr(answer, "reason_str", "")) or "without a reason"
    except Exception:  # the answer of a server that does not keep to the standard
        return "without a reason that can be read"


def _reach(server: DimseServer, tls: ssl.SSLContext | None) -> InputError | None:
    """What hinders a plain connection, and an encrypted one where that is wanted; None: nothing."""
    try:
        with socket.create_connection((server.host, server.port), timeout=min(server.timeout, 5.0)) as plain:
            if tls is None:
                return None
            with tls.wrap_socket(plain, server_hostname=server.host):
                return None
    except ssl.SSLCertVerificationError as error:
        return PermanentError(f"{server}: its certificate is not trusted ({error.verify_message}); check ca.")
    except ssl.SSLError as error:
        return PermanentError(f"{server} does not speak TLS as we do ({error.reason}); check tls and certificates.")
    except TimeoutError:
        return LinkError(f"{server} did not answer; check host, port and firewall.")
    except OSError as error:
        return LinkError(f"{server} cannot be reached ({error.strerror or error}); check host and port.")
