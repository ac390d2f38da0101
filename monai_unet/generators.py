"""Generators that yield their progress and return a result: run to the end, or gone through by a `for` loop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Generic, TypeVar

Step = TypeVar("Step")
Result = TypeVar("Result")


class WithResult(Generic[Step, Result]):
    """A generator in a `for` loop that keeps what it returns in `result`.

    >>> def count():
    ...     yield 1
    ...     return "done"
    >>> steps = WithResult(count())
    >>> list(steps), steps.result
    ([1], 'done')

    Attributes:
        result: there once the loop has come to its end.
    """

    result: Result

    def __init__(self, steps: Generator[Step, None, Result]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[Step]:
        self.result = yield from self._steps


def drain(steps: Generator[Step, None, Result], each: Callable[[Step], object] | None = None) -> Result:
    """Run a generator to its end and give what it returns.

    Args:
        steps: is closed in any case, also when `each` raises.
        each: is called with what is yielded.
    """
    with closing(steps):
        kept = WithResult(steps)
        for step in kept:
            if each is not None:
                each(step)
        return kept.result
