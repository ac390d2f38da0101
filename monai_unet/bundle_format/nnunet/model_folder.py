"""The folder of a trained nnU-Net model (`trainer__plans__configuration`), found in what the user gives."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from monai_unet.bundle_format.archives import unpack
from monai_unet.errors import InputError

Checkpoint = Literal["final", "best"]
_NEEDED = ("plans.json", "dataset.json")
_DEEPEST = 4


@dataclass(frozen=True)
class ModelFolder:
    """A trained model's folder.

    Attributes:
        root: with `plans.json`, `dataset.json` and a folder for each fold.
        name: trainer, plans and configuration as nnU-Net writes them.
        given: what the user named, for messages.
    """

    root: Path
    name: str
    given: str

    def checkpoints(self, folds: Sequence[str], kind: Checkpoint) -> dict[str, Path]:
        """Fold → its checkpoint; without `folds` all that are there, as nnU-Net takes them ("all" only if alone).

        Raises:
            InputError: a fold or its checkpoint is missing.
        """
        file = f"checkpoint_{kind}.pth"
        there = {path.name[5:]: path / file for path in sorted(self.root.glob("fold_*")) if (path / file).is_file()}
        if not there:
            raise InputError(
                f"{self.given} holds no fold_*/{file}; "
                f"{'use --checkpoint best' if kind == 'final' else 'use --checkpoint final'}, or finish the training."
            )
        missing = [fold for fold in folds if fold not in there]
        if missing:
            raise InputError(
                f"{self.given} has no {file} for fold {', '.join(missing)}; there are folds {', '.join(there)}."
            )
        if folds:
            return {fold: there[fold] for fold in dict.fromkeys(folds)}
        numbered = {fold: path for fold, path in there.items() if fold != "all"}
        return numbered or there


@contextmanager
def opened_model(given: Path, configuration: str = "") -> Iterator[ModelFolder]:
    """The model in a folder or an archive, which is unpacked for as long as the context is open.

    Args:
        given: the model's folder, one above it (the data set's results), or a zip of either.
        configuration: which, where several were trained: "3d_fullres", or the folder's whole name.

    Raises:
        InputError: nothing like that, several, or an archive that cannot be unpacked safely.
    """
    if given.is_dir():
        yield _chosen(given, str(given), configuration)
    elif given.is_file():
        with tempfile.TemporaryDirectory(prefix="monai-unet-import-") as temporary:
            inner = unpack(given, temporary)
            below = Path(temporary)
            # an archive of one model unpacks to its files themselves
            yield _chosen(below if inner.parent != below else inner, str(given), configuration)
    else:
        raise InputError(f"{given} does not exist; give the folder or the zip of a trained nnU-Net model.")


def _chosen(folder: Path, given: str, configuration: str) -> ModelFolder:
    found = [root for root in _folders(folder, _DEEPEST) if all((root / name).is_file() for name in _NEEDED)]
    models = [ModelFolder(root, root.name, given) for root in found]
    if not models:
        if any(folder.rglob("plans.pkl")):
            raise InputError(f"{given} was trained by nnU-Net v1, which is not read; train it again with nnU-Net v2.")
        raise InputError(f"{given} holds no plans.json beside a dataset.json; give the folder that nnU-Net trained in.")
    wanted = [model for model in models if configuration in (model.name, _configuration(model.name))]
    chosen = wanted if configuration else models
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(model.name for model in models)
    if not chosen:
        raise InputError(f"{given} has no model '{configuration}'; there are {names}.")
    raise InputError(f"{given} holds several models ({names}); choose one with --configuration.")


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth:
        for inner in sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()):
            if not re.match(r"fold_|crossval_results", inner.name):
                yield from _folders(inner, depth - 1)


def _configuration(name: str) -> str:
    return name.rpartition("__")[2]
