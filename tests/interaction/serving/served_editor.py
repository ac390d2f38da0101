"""Our server in this process, on a free port of this machine, with the classical answer or one of a test's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from monai_unet.interaction import Answerer
from monai_unet.interaction.answering import build_answerer
from monai_unet.interaction.serving import PromptServer, ServeSettings

SPACING = (3.0, 0.7, 0.8)


def two_balls(shape: tuple[int, int, int] = (20, 60, 64)) -> NDArray[np.float32]:
    """Two bright balls in noise: around (10, 20, 20) and (10, 40, 45), of 8 mm."""
    noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    for centre in ((10, 20, 20), (10, 40, 45)):
        noise[np.linalg.norm((index - centre) * SPACING, axis=-1) < 8] += 12
    return noise


@contextmanager
def served_editor(answerer: Answerer | None = None, **settings: object) -> Iterator[PromptServer]:
    """A server that is ready."""
    made = dataclasses.replace(ServeSettings(port=0, bundle="classical"), **settings)  # type: ignore[arg-type]
    with PromptServer(made).running() as server:
        server.use(answerer or build_answerer("classical"), licence="Apache-2.0")
        yield server
