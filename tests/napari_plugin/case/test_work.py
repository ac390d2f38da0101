"""Background work: results, stopping, errors, closing; needs an event loop and no display."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from monai_unet.errors import InputError
from napari_plugin.case.work import BackgroundWork, once, sentence_of


def counting(steps: int, closed: list[str] | None = None) -> Callable[[], Generator[int, None, str]]:
    def run() -> Generator[int, None, str]:
        try:
            for step in range(steps):
                time.sleep(0.002)
                yield step
            return "done"
        finally:
            if closed is not None:
                closed.append("closed")

    return run


def test_steps_come_in_order_and_then_the_result(qapp: Any, wait: Callable[..., None]) -> None:
    heard: list[Any] = []
    work = BackgroundWork()
    assert work.start(counting(5), done=heard.append, failed=heard.append, progress=heard.append)
    assert not work.start(counting(5), done=heard.append, failed=heard.append), "one at a time"
    wait(lambda: not work.running)
    assert heard == [0, 1, 2, 3, 4, "done"]


def test_stop_ends_between_two_steps_and_says_so_once(qapp: Any, wait: Callable[..., None]) -> None:
    heard: list[Any] = []
    closed: list[str] = []
    work = BackgroundWork()
    work.start(
        counting(100_000, closed),
        done=lambda result: heard.append("done"),
        failed=heard.append,
        progress=lambda step: work.stop() if step > 3 else None,
        stopped=lambda: heard.append("stopped"),
    )
    wait(lambda: not work.running)
    assert heard == ["stopped"]
    wait(lambda: closed == ["closed"])
    assert work.start(counting(1), done=heard.append, failed=heard.append)
    wait(lambda: not work.running)
    assert heard == ["stopped", "done"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("The mask is empty; draw one."), "The mask is empty; draw one."),
        (MemoryError(), "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried"), "not enough memory"),
        (PermissionError(13, "Permission denied", "/readonly/mask.nii.gz"), "/readonly/mask.nii.gz may not be written"),
        (OSError(28, "No space left on device", "/full/mask.nii.gz"), "No space left on device"),
        (ValueError("shape"), "your work is kept"),
    ],
)
def test_error_in_the_background_is_one_sentence(
    qapp: Any, wait: Callable[..., None], error: Exception, words: str
) -> None:
    heard: list[str] = []

    def fail() -> None:
        raise error

    work = BackgroundWork()
    work.start(once(fail), done=lambda result: heard.append("done"), failed=heard.append)
    wait(lambda: not work.running)
    assert len(heard) == 1
    assert words in heard[0]
    assert sentence_of(error) == heard[0]


def test_nothing_is_heard_after_close(qapp: Any, wait: Callable[..., None]) -> None:
    heard: list[Any] = []
    work = BackgroundWork()
    work.start(counting(50), done=heard.append, failed=heard.append, stopped=lambda: heard.append("stopped"))
    work.close()
    wait(lambda: not work.running)
    assert heard == []
    assert not work.start(counting(1), done=heard.append, failed=heard.append)
