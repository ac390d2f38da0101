"""Draining a generator: its result, its progress, and that it is closed whatever happens."""

from __future__ import annotations

import ast
from collections.abc import Generator
from pathlib import Path

import pytest

import monai_unet
import napari_plugin
from monai_unet.generators import WithResult, drain


def counting(closed: list[str], stop: int = 3) -> Generator[int, None, str]:
    try:
        yield from range(stop)
        return "result"
    finally:
        closed.append("closed")


def test_a_drained_generator_gives_its_result_and_shows_each_step() -> None:
    seen: list[int] = []
    assert drain(counting([]), seen.append) == "result"
    assert seen == [0, 1, 2]


def test_a_generator_without_steps_has_a_result_too() -> None:
    assert drain(counting([], stop=0)) == "result"


def test_who_watches_may_stop_it_and_it_is_closed_at_once() -> None:
    closed: list[str] = []
    steps = counting(closed)

    def stop(number: int) -> None:
        if number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        drain(steps, stop)
    assert closed == ["closed"], caught  # although the traceback still holds the generator


def test_an_error_of_the_generator_is_the_callers() -> None:
    def failing() -> Generator[int, None, str]:
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        drain(failing())


def test_a_loop_that_is_left_early_has_no_result() -> None:
    steps = WithResult(counting([]))
    for _ in steps:
        break
    assert not hasattr(steps, "result")


def test_nobody_else_takes_a_generator_apart_by_hand() -> None:
    roots = [Path(str(package.__file__)).parent for package in (monai_unet, napari_plugin)]
    by_hand = [
        path.as_posix()
        for root in roots
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "StopIteration"
    ]
    assert by_hand == []
