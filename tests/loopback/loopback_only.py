"""No socket but loopback: every Python process of the tests refuses any other address and writes down who asked for it.

An audit hook, which Python code cannot get around: it sees connections, datagrams, listening sockets and the resolving
of names, whichever package asks. Compiled code that calls the system by itself is not seen; see `shim.c`.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from typing import Any

LOG = "MONAI_UNET_TESTS_NETWORK_LOG"
"""Environment variable: the file to which refusals are added; children have it too."""

_installed = False


def forbid() -> None:
    """From now on; there is no way back."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)


@contextlib.contextmanager
def unrecorded() -> Iterator[None]:
    """Refused as ever, but not written down: for what may ask and must do without an answer."""
    before = os.environ.pop(LOG, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[LOG] = before


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith("socket."):
        return
    address: Any
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
        if arguments[0].family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(arguments[1], tuple):
            return
        address = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        address = arguments[0]
    else:
        return
    if is_loopback(address):
        return
    if log := os.environ.get(LOG):
        asking = "".join(traceback.format_stack(sys._getframe(1), limit=6))
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{event} {address!r} by {sys.argv[:3]}\n{asking}")
    raise OSError(errno.ENETUNREACH, f"the tests allow no address but loopback ({event} {address!r})")


def is_loopback(address: object) -> bool:
    """Whether an address or a name stays on this machine without asking anybody."""
    if isinstance(address, bytes):
        address = address.decode(errors="replace")
    # torchrun asks for the name of this machine
    if address in (None, "localhost", socket.gethostname()):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(str(address).partition("%")[0]).is_loopback
    return False
