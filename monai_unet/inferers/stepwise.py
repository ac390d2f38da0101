"""A generator out of a computation that only offers a callback, so that it can be watched and stopped."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import TypeVar

Result = TypeVar("Result")
Report = Callable[[], None]


class Stopped(BaseException):
    """Raised inside the computation by `report()` once nobody waits for it; not an `Exception`, so nothing eats it."""


def stepwise(compute: Callable[[Report], Result]) -> Generator[None, None, Result]:
    """Run `compute(report)` in a thread that waits at each `report()` until the generator is asked to go on.

    The generator yields once per `report()` and returns what `compute` returns. Closing it ends the computation at
    the place where it waits. At any time either the caller or the computation runs, never both.
    """
    events: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
    go_on = threading.Semaphore(0)
    stopped = threading.Event()

    def report() -> None:
        events.put(("step", None))
        go_on.acquire()
        if stopped.is_set():
            raise Stopped

    def work() -> None:
        try:
            events.put(("result", compute(report)))
        except BaseException as error:
            events.put(("error", error))

    thread = threading.Thread(target=work, name="monai-unet inference", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = events.get()
            if kind == "result":
                return value  # type: ignore[return-value]
            if kind == "error":
                raise value  # type: ignore[misc]
            yield
            go_on.release()
    finally:
        stopped.set()
        go_on.release()
        thread.join()
