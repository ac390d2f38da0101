"""No two objects are compared array by array: from Python 3.13 on even the same array twice is no answer then."""

from __future__ import annotations

import ast
import re
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_unet.evaluation.surface import SurfaceDistances
from monai_unet.geometry import Grid
from monai_unet.inferers import Slab
from monai_unet.interaction import Prompt

ROOT = Path(__file__).parents[1]
ARRAYS = re.compile(r"NDArray|ndarray|Tensor|ArrayLike")


@pytest.mark.parametrize(
    "one",
    [
        Grid((2, 2, 2), np.eye(4)),
        Prompt("scribble", True, np.zeros((3, 3))),
        SurfaceDistances(*(np.zeros(4) for _ in range(4)), surface="voxel"),
        Slab(0, torch.zeros(2, 1, 3, 3)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_objects_with_arrays_can_be_compared_and_looked_for(one: object) -> None:
    other = deepcopy(one)
    assert one == one
    assert one != other
    assert [other, one].index(one) == 1
    assert len({one, other, one}) == 2


def test_no_dataclass_compares_its_arrays() -> None:
    """`eq=False`, or a comparison of its own, wherever a field holds arrays or tensors."""
    comparing = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for package in ("monai_unet", "napari_plugin")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and _compares(node) and _holds_arrays(node)
    ]
    assert comparing == []


def _compares(node: ast.ClassDef) -> bool:
    made = [ast.unparse(decorator) for decorator in node.decorator_list]
    own = any(isinstance(part, ast.FunctionDef) and part.name == "__eq__" for part in node.body)
    return any(words.startswith("dataclass") and "eq=False" not in words for words in made) and not own


def _holds_arrays(node: ast.ClassDef) -> bool:
    fields = (ast.unparse(part.annotation) for part in node.body if isinstance(part, ast.AnnAssign))
    return any(ARRAYS.search(field) and not field.startswith("Callable") for field in fields)
