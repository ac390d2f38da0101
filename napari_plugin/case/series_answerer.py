"""Prompts answered from the series that was shown when they were given (no Qt)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.interaction import Answer, Answerer, Prompt


@dataclass(frozen=True, eq=False)
class Prepared:
    """An answerer that has looked at a series; a worker hands it over, only the GUI thread keeps it."""

    series: str
    answerer: Answerer


class SeriesAnswerer:
    """One answerer for each series of a case, prepared when it is first needed.

    Args:
        build: makes an answerer that has seen no image.
        images: key of a series → its voxels (S, A, R), all on one grid; the first is meant where a prompt names none.
        names: key → what a person calls it, also of series that are no longer shown.
        prepared: those that are ready.
    """

    def __init__(
        self,
        build: Callable[[], Answerer],
        images: Mapping[str, NDArray[np.number]],
        names: Mapping[str, str],
        grid: Grid,
        prepared: Mapping[str, Answerer],
    ) -> None:
        self._build, self._images, self._names, self._grid = build, images, names, grid
        self._ready = dict(prepared)
        self.name = ""

    def start(self, image: NDArray[np.number], grid: Grid) -> None:
        """Nothing: each series is prepared by `prepare`.

        Image (S, A, R).
        """

    def prepare(self, prompts: Sequence[Prompt]) -> Generator[Prepared, None, None]:
        """Have an answerer look at each series that these prompts were given on; yields each that is ready.

        Raises:
            InputError: one of the series is not shown any more.
        """
        for series in dict.fromkeys(self._series(prompt) for prompt in prompts):
            if series not in self._images:
                name = self._names.get(series, series)
                raise InputError(f"A prompt of this lesion was given on {name}, which is not shown; tick it first.")
            if series not in self._ready:
                answerer = self._build()
                answerer.start(self._images[series], self._grid)
                self._ready[series] = answerer
                yield Prepared(series, answerer)

    def answer(self, prompts: Sequence[Prompt], current: NDArray[np.bool_]) -> Answer:
        """Of the series that the newest prompt was given on.

        Masks (S, A, R) of the whole grid.
        """
        return self._ready[self._series(prompts[-1])].answer(prompts, current)

    def _series(self, prompt: Prompt) -> str:
        return prompt.series or next(iter(self._images))
