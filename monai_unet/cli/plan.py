"""`monai-unet plan`: read a labelled data set and plan a model for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from monai_unet.cli import SUCCESS
from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say

if TYPE_CHECKING:
    from monai_unet.planning import Plan, Workspace


@dataclass(frozen=True, kw_only=True)
class PlanningCommand(Command):
    """What `plan` and `train` are told alike about a data set and the model wanted."""

    budget: Annotated[str | None, Option("what the training may take: 30min, 4h, 50epochs (1h)", metavar="TIME")] = None
    memory: Annotated[str, Option("what a training step may take: 8GiB, or auto (auto)", metavar="SIZE")] = "auto"
    device: Annotated[Literal["auto", "cpu", "cuda"], Option("what to plan for (auto)")] = "auto"
    name: Annotated[str, Option("of the model (the data set's own)", metavar="NAME")] = ""
    image: Annotated[
        tuple[str, ...],
        Option(
            "which images are the channels, in order: columns, keys, suffixes of BIDS, a DICOM modality", metavar="NAME"
        ),
    ] = ()
    label: Annotated[str, Option("which column, key or kind of masks is the label", metavar="NAME")] = ""
    structures: Annotated[
        Path | None, Option("DICOM: table of each class and the names of its structures (YAML, CSV)", metavar="FILE")
    ] = None
    keep_going: Annotated[bool, Option("leave faulty cases out instead of refusing the data set")] = False
    workers: Annotated[int | None, Option("processes that read (one per core)", metavar="N")] = None
    seed: Annotated[int, Option("of training and lists (0)", metavar="N")] = 0

    def plan(self, data: Path, space: Workspace, *, overwrite: bool) -> Plan:
        """Read the data set and plan a model for it in a workspace."""
        from monai_unet.planning import budget_of, memory_of, plan_data_set

        return plan_data_set(
            data,
            space,
            budget=budget_of(self.budget or "1h"),
            device="cpu" if self.memory.lower() == "cpu" else planned_device(self.device),
            memory_gib=memory_of(self.memory),
            name=self.name,
            image=self.image,
            label=self.label,
            structures=self.structures,
            keep_going=self.keep_going,
            overwrite=overwrite,
            workers=self.workers,
            seed=self.seed,
            says=say,
        ).plan


@dataclass(frozen=True, kw_only=True)
class PlanCommand(PlanningCommand):
    """Read a data set once, decide on a model, and write its bundle, ready to be trained."""

    data: Annotated[
        Path,
        Positional(
            "the data set: a Decathlon or nnU-Net folder, images/ and labels/, a CSV of pairs, BIDS, or DICOM studies",
            metavar="DATA",
        ),
    ]
    output: Annotated[Path, Option("folder of the plan and all that follows", metavar="DIR", short="-o")]
    overwrite: Annotated[bool, Option("replace a plan that is there")] = False

    def run(self) -> int:
        """Plan and say why each thing is as it is."""
        from monai_unet.planning import Workspace

        space = Workspace(self.output)
        for what, why in self.plan(self.data, space, overwrite=self.overwrite).reasons.items():
            say(f"{what}: {why}.")
        say(f"The plan is {space.plan_file}; train it with: monai-unet train {space.root}")
        return SUCCESS


def planned_device(asked: str) -> str:
    """ "cpu" or "cuda"; "auto" takes the GPU where there is one.

    Raises:
        InputError: a GPU is asked for and there is none.
    """
    import torch

    from monai_unet.errors import InputError

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise InputError("no CUDA device was found; plan for the CPU (--device cpu).")
    return "cuda" if there and asked != "cpu" else "cpu"
