"""Who may speak: a lease for each client, taken back when its owner is gone or does nothing for too long."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from monai_unet.interaction.serving.kept import FullError
from monai_unet.interaction.serving.served_case import ServedCase

REST_AFTER = 10.0
"""Seconds without a prompt after which a session takes as little memory as possible."""


class NoLeaseError(Exception):
    """The lease is not known: it was never given, or taken back."""


class Lease:
    """One client's session.

    Attributes:
        number: by which audit lines name it; says nothing about its owner.
        conversation: what the client has said.
        lock: held while a request of it is worked on.
    """

    def __init__(self, number: int, conversation: ServedCase) -> None:
        self.number, self.conversation = number, conversation
        self.lock = threading.Lock()
        self.seen = self.active = time.monotonic()
        self.gone = self.resting = False

    @contextmanager
    def at_work(self) -> Iterator[ServedCase]:
        """One request of its owner after the other.

        Raises:
            NoLeaseError: it was taken back while the request waited.
        """
        with self.lock:
            if self.gone:
                raise NoLeaseError
            self.active = self.seen = time.monotonic()
            self.resting = False
            try:
                yield self.conversation
            finally:
                self.active = self.seen = time.monotonic()


class Leases:
    """All sessions.

    Args:
        begin: makes the conversation of a new session.
        most: sessions at a time.
        idle: seconds without a prompt after which one ends.
        alive: seconds without any sign of life after which one ends.
    """

    def __init__(self, begin: Callable[[], ServedCase], *, most: int, idle: float, alive: float) -> None:
        self.most, self.idle, self.alive = most, idle, alive
        self._begin, self._leases = begin, dict[str, Lease]()
        self._numbers, self._lock = itertools.count(1), threading.Lock()

    def __len__(self) -> int:
        return len(self._leases)

    def claim(self) -> tuple[str, Lease]:
        """A new session, and the token by which its owner names it.

        Raises:
            FullError: there are as many as may be.
        """
        self.sweep()
        with self._lock:
            if len(self._leases) >= self.most:
                raise FullError(f"the server has its {self.most} sessions; try again later.")
            token, lease = secrets.token_hex(16), Lease(next(self._numbers), self._begin())
            self._leases[token] = lease
            return token, lease

    def find(self, token: str, *, alive: bool = True) -> Lease:
        """The session of a token.

        Args:
            alive: count this as a sign of life.

        Raises:
            NoLeaseError: there is none.
        """
        with self._lock:
            lease = self._leases.get(token)
        if lease is None:
            raise NoLeaseError
        if alive:
            lease.seen = time.monotonic()
        return lease

    def left(self, lease: Lease) -> float:
        """Seconds until it ends if nothing is done."""
        return max(0.0, self.idle - (time.monotonic() - lease.active))

    def release(self, token: str) -> Lease | None:
        """End a session; None where there is none."""
        with self._lock:
            lease = self._leases.pop(token, None)
        if lease is not None:
            _end(lease)
        return lease

    def sweep(self) -> list[tuple[Lease, str]]:
        """End those whose owners are gone or idle, and let the others rest; those ended, and why."""
        now, ended = time.monotonic(), []
        with self._lock:
            for token, lease in list(self._leases.items()):
                why = "gone" if now - lease.seen > self.alive else "idle" if now - lease.active > self.idle else ""
                if why and not lease.lock.locked():
                    del self._leases[token]
                    ended.append((lease, why))
            others = list(self._leases.values())
        for lease, _ in ended:
            _end(lease)
        for lease in others:
            if not lease.resting and now - lease.active > REST_AFTER and lease.lock.acquire(blocking=False):
                try:
                    lease.conversation.rest()
                    lease.resting = True
                finally:
                    lease.lock.release()
        return ended

    def close(self) -> None:
        """End all of them."""
        for token in list(self._leases):
            self.release(token)


def _end(lease: Lease) -> None:
    with lease.lock:
        lease.gone = True
        lease.conversation.close()
