"""Prompts in a JSON file, answered without a viewer: what `python -m monai.bundle run` does with an editor bundle.

A file is a list of prompts in the order in which they were made, each with `kind` (point, scribble, box, lasso),
`positive`, `world` (a list of [x, y, z] in RAS+ millimetres), and optionally `axis` and `radius` (mm).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of
from monai_unet.interaction.answering import NetworkAnswerer
from monai_unet.interaction.prompts import Prompt, PromptKind
from monai_unet.io import LabelEntry, read_volume, write_label_map

LEAST = {"point": 1, "scribble": 1, "box": 2, "lasso": 3}
"""Positions that each kind needs."""


def read_prompts(path: str | Path) -> list[Prompt]:
    """The prompts of a file.

    Raises:
        InputError: not JSON, not a list, or a prompt that is none.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read as a JSON list of prompts ({error}).") from error
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path} must hold a list of prompts and at least one.")
    return [_prompt(entry, f"{path}, prompt {number}") for number, entry in enumerate(entries, start=1)]


def _prompt(entry: object, where: str) -> Prompt:
    if not isinstance(entry, dict) or entry.get("kind") not in get_args(PromptKind):
        raise InputError(f"{where}: kind must be one of {', '.join(get_args(PromptKind))}.")
    try:
        world = np.asarray(entry["world"], dtype=float).reshape(-1, 3)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{where}: world must be a list of [x, y, z] in RAS+ millimetres.") from None
    if len(world) < LEAST[entry["kind"]] or not np.isfinite(world).all():
        raise InputError(f"{where}: a {entry['kind']} needs {LEAST[entry['kind']]} or more finite positions.")
    axis = entry.get("axis")
    if axis not in (None, 0, 1, 2):
        raise InputError(f"{where}: axis must be 0 (S), 1 (A), 2 (R) or left out, got {axis!r}.")
    return Prompt(entry["kind"], bool(entry.get("positive", True)), world, axis, float(entry.get("radius", 0.0)))


def answer_file(
    image: str | Path,
    prompts: str | Path,
    output: str | Path,
    *,
    bundle: str | Path = "lesion_editor",
    initial: str | Path = "",
    checkpoint: str | Path | None = None,
) -> None:
    """Answer the prompts of a file one after the other and write the object as a label map on the image's grid.

    Args:
        image: any volume that `read_volume` reads, one channel.
        initial: a mask to start from, on the same grid; everything above 0 is the object.

    Raises:
        InputError: a file that cannot be used, or masks and image on different grids.
    """
    volume = read_volume(image)
    grid = grid_of(volume)
    mask: NDArray[np.bool_] = np.zeros(grid.shape, dtype=bool)
    if initial:
        start = read_volume(initial)
        if not grid_of(start).matches(grid):
            raise InputError(f"{initial} does not lie on the grid of {image}; give a mask of that image.")
        mask = np.asarray(start[0]) > 0
    said = read_prompts(prompts)
    answerer = NetworkAnswerer(bundle, checkpoint=checkpoint)
    answerer.start(np.asarray(volume[0]), grid)
    for count in range(1, len(said) + 1):
        answer = answerer.answer(said[:count], mask)
        mask[answer.box] = answer.mask
    write_label_map(mask.astype(np.uint8), Path(output), like=volume.meta, table={1: LabelEntry("object")})
