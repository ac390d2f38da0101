"""`monai-unet import`: a model that another program trained, as a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from monai_unet.cli import SUCCESS
from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say


@dataclass(frozen=True, kw_only=True)
class ImportCommand(Command):
    """Write a trained model of nnU-Net v2 as a bundle."""

    kind: Annotated[Literal["nnunet"], Positional("what trained it", metavar="nnunet")]
    model: Annotated[Path, Positional("its folder (trainer__plans__configuration) or a zip of it", metavar="MODEL")]
    output: Annotated[
        Path | None, Option("the bundle's folder (one in ~/.monai-unet/bundles)", short="-o", metavar="BUNDLE")
    ] = None
    folds: Annotated[
        tuple[str, ...], Option("whose networks are averaged, for example 0 1 2 (all that are there)", metavar="FOLD")
    ] = ()
    checkpoint: Annotated[Literal["final", "best"], Option("which of each fold (final)")] = "final"
    configuration: Annotated[str, Option("which, where MODEL holds several: 3d_fullres", metavar="NAME")] = ""
    orientation: Annotated[
        str,
        Option("how the training's files were stored, if known: LPS, RAS, …; images are turned there", metavar="AXES"),
    ] = ""
    no_mirroring: Annotated[bool, Option("compute each window once, and not mirrored along each axis too")] = False
    plain_trainer: Annotated[bool, Option("the model's custom trainer changes nothing of inference")] = False

    def run(self) -> int:
        """Write the bundle and say what is special about it."""
        from monai_unet.bundle_format.nnunet import import_nnunet

        imported = import_nnunet(
            self.model,
            self.output,
            folds=self.folds,
            checkpoint=self.checkpoint,
            configuration=self.configuration,
            orientation=self.orientation.upper(),
            mirroring=not self.no_mirroring,
            plain_trainer=self.plain_trainer,
        )
        for sentence in imported.sentences:
            say(sentence)
        root = imported.bundle.root
        say(f"The model is {root}; use it with: monai-unet segment INPUT -o OUT --bundle {self._shown(root)}")
        return SUCCESS

    def _shown(self, root: Path) -> str:
        """What `--bundle` takes: a name where the model lies in the user's folder."""
        return str(root) if self.output is not None else root.name
