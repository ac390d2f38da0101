"""The bar above the status line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_plugin.progress import PULSE_MS, ProgressBar


def test_known_steps_fill_the_bar_and_nothing_hides_it(qapp: Any, wait: Callable[..., None]) -> None:
    bar = ProgressBar()
    assert bar.isHidden()
    bar.show_step(3, 8)
    assert not bar.isHidden()
    assert (bar.minimum(), bar.value(), bar.maximum()) == (0, 3, 8)
    bar.show_step(0, -1)
    assert bar.isHidden()


def test_an_unknown_number_of_steps_redraws_the_window_twice_a_second_at_most(
    qapp: Any, wait: Callable[..., None]
) -> None:
    bar = ProgressBar()
    seen: list[int] = []
    bar.valueChanged.connect(seen.append)
    bar.show_step(0, 0)
    assert bar.maximum() > bar.minimum(), "Qt animates a bar without a range by itself"
    wait(lambda: len(seen) >= 2)
    assert bar._pulse.interval() == PULSE_MS >= 500
    bar.show_step(1, 4)
    assert not bar._pulse.isActive()
    bar.close()
