"""One long computation at a time, off the GUI thread: progress, stopping between two steps, errors as sentences."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from qtpy.QtCore import QObject, Signal
from superqt.utils import GeneratorWorker

from monai_unet.errors import InputError

Step = TypeVar("Step")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Failed:
    sentence: str


class BackgroundWork(QObject):
    """Runs generators in a thread; of each, `progress` gets what it yields and `done` what it returns.

    napari's own `create_worker` raises a second, meaningless error after any error in a worker; superqt's does not.
    """

    changed = Signal(bool)
    """Whether something runs."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: GeneratorWorker | None = None
        self._stopped = False
        self._closed = False

    @property
    def running(self) -> bool:
        """Whether a computation runs, or is about to stop."""
        return self._worker is not None

    def start(
        self,
        make: Callable[[], Generator[Step, None, Result]],
        *,
        done: Callable[[Result], None],
        failed: Callable[[str], None],
        progress: Callable[[Step], None] = lambda step: None,
        stopped: Callable[[], None] = lambda: None,
    ) -> bool:
        """Run what `make` returns; False, and nothing is done, while another computation runs.

        Callbacks come in the GUI thread; none comes after `close`.
        """
        if self.running or self._closed:
            return False
        self._stopped = False
        worker = _Worker(make)
        self._worker = worker
        self._failed, self._when_stopped = failed, stopped
        # of this computation's own types, which only its maker knows
        self._done: Callable[[Any], None] = done
        self._progress: Callable[[Any], None] = progress
        self._result: tuple[object] | None = None
        worker.yielded.connect(self._on_step)
        worker.returned.connect(self._on_returned)
        worker.finished.connect(self._on_finished)  # type: ignore[arg-type]
        worker.start()
        self.changed.emit(True)
        return True

    def stop(self) -> None:
        """Stop at the next step; `stopped` is called then."""
        if self._worker is not None:
            self._stopped = True
            self._worker.quit()

    def close(self) -> None:
        """Stop for good: no callback comes any more."""
        self._closed = True
        self.stop()

    def _on_step(self, step: object) -> None:
        if not self._closed and not self._stopped:
            self._progress(step)

    def _on_returned(self, result: object) -> None:
        self._result = (result,)

    def _on_finished(self) -> None:
        result, self._result, self._worker = self._result, None, None
        if self._closed:
            return
        self.changed.emit(False)
        if result is None or self._stopped:
            self._when_stopped()
        elif isinstance(result[0], _Failed):
            self._failed(result[0].sentence)
        else:
            self._done(result[0])


def once(function: Callable[[], Result]) -> Callable[[], Generator[None, None, Result]]:
    """A plain function as a computation of one step."""

    def run() -> Generator[None, None, Result]:
        yield None
        return function()

    return run


def sentence_of(error: BaseException) -> str:
    """What happened and what to do, in one sentence."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "There is not enough memory; close other programs, or segment a box of the image."
    if isinstance(error, PermissionError):
        return f"{error.filename or 'The folder'} may not be written to; choose another folder."
    if isinstance(error, OSError):
        room = "free some space or " if error.errno == errno.ENOSPC else ""
        return f"{error.strerror or error}: {error.filename or 'file'}; {room}choose another folder."
    return f"This failed unexpectedly ({type(error).__name__}: {error}); your work is kept."


class _Worker(GeneratorWorker):
    """Closes its generator in its own thread when it ends or is stopped, whatever has become of the window by then.

    What a generator has to clear away (a process, a half-written file) would otherwise wait for the last reference.
    """

    def __init__(self, make: Callable[[], Generator[Step, None, Result]]) -> None:
        self._steps = _guarded(make)

        def relay() -> Generator[Step, None, Result | _Failed]:
            return (yield from self._steps)

        super().__init__(relay)

    def work(self) -> object:
        try:
            return super().work()
        finally:
            self._steps.close()


def _guarded(make: Callable[[], Generator[Step, None, Result]]) -> Generator[Step, None, Result | _Failed]:
    steps = make()
    try:
        return (yield from steps)
    except GeneratorExit:
        raise
    except BaseException as error:
        if not isinstance(error, InputError):
            traceback.print_exc()
        return _Failed(sentence_of(error))
    finally:
        steps.close()
