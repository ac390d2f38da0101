"""`monai-unet train`: from a labelled data set, or its plan, to a model that every other command can use."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from monai_unet.cli import SUCCESS
from monai_unet.cli.arguments import Option, Positional
from monai_unet.cli.letters import say
from monai_unet.cli.plan import PlanningCommand
from monai_unet.errors import InputError

Made = TypeVar("Made")

if TYPE_CHECKING:
    from monai_unet.planning import Plan, Workspace
    from monai_unet.training import Epoch


@dataclass(frozen=True, kw_only=True)
class TrainCommand(PlanningCommand):
    """Plan (where that was not done), train, choose on held-out cases, and install the model under its name."""

    data: Annotated[
        Path,
        Positional("a folder that monai-unet plan wrote, or a data set as monai-unet plan takes it", metavar="DATA"),
    ]
    output: Annotated[
        Path | None, Option("folder of the plan and all that follows, for a data set", metavar="DIR", short="-o")
    ] = None
    fold: Annotated[str, Option("cross-validation: a fold's number, or all; without it one training", metavar="K")] = ""
    folds: Annotated[int, Option("how many folds there are (5)", metavar="N")] = 5
    tune: Annotated[
        str, Option("train this model further on the cases, instead of planning a new one", metavar="BUNDLE")
    ] = ""
    no_install: Annotated[bool, Option("leave the model in its folder")] = False
    resume: Annotated[bool, Option("go on with a training that was stopped")] = False
    overwrite: Annotated[bool, Option("begin anew where a training is, which is lost")] = False

    def run(self) -> int:
        """Do what is left to do."""
        from monai_unet.planning import PLAN_FILE, Workspace

        if self.tune:
            return self._tune()
        planned = (self.data / PLAN_FILE).is_file()
        if not planned and self.output is None:
            raise InputError(f"{self.data} is no plan; say where the model's folder is to be, with -o DIR.")
        space = Workspace(self.data if planned else Path(str(self.output)))
        plan = self._planned(space, planned)
        if self.fold:
            return self._folds(space, plan)
        return self._whole(space, plan)

    def _tune(self) -> int:
        from monai_unet.bundle_format import find_bundle
        from monai_unet.planning import budget_of, fine_tune, fine_tuning_folder, plan_fine_tuning

        budget = budget_of(self.budget or "10epochs")
        if not budget.epochs:
            raise InputError("training further is counted in epochs; give --budget 10epochs, say.")
        bundle = find_bundle(self.tune)
        chosen = plan_fine_tuning(bundle, self.data, budget.epochs)
        made = _followed(fine_tune(chosen, self.output or fine_tuning_folder(bundle)))
        self._end(made.name, made.root)
        return SUCCESS

    def _planned(self, space: Workspace, planned: bool) -> Plan:
        if planned or (space.plan_file.is_file() and self.resume):
            return self._unchanged(space)
        return self.plan(self.data, space, overwrite=self.overwrite)

    def _unchanged(self, space: Workspace) -> Plan:
        from monai_unet.planning import changed_cases

        plan, changed = space.plan(), changed_cases(space)
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise InputError(
                f"the files of {changed[0]}{more} changed since the data set was planned; plan again "
                f"(monai-unet plan DATA -o {space.root} --overwrite)."
            )
        return plan

    def _whole(self, space: Workspace, plan: Plan) -> int:
        from monai_unet.planning import WHOLE, choose_and_pack

        run = self._train(space, plan, WHOLE)
        weights = run / "best.pt"
        trained = choose_and_pack(space, plan, weights, {WHOLE: weights}, install=not self.no_install, says=say)
        self._end(trained.bundle.name, trained.bundle.root)
        return SUCCESS

    def _folds(self, space: Workspace, plan: Plan) -> int:
        from monai_unet.planning import DONE, FINAL, averaged_weights, choose_and_pack, fold_runs, write_folds

        split = write_folds(space, self.folds, seed=self.seed)
        runs = fold_runs(len(split.folds))
        wanted = runs if self.fold == "all" else [name for name in runs if name == f"fold_{self.fold}"]
        if not wanted:
            raise InputError(f"there is no fold {self.fold}; give a number from 0 to {len(runs) - 1}, or all.")
        for name in wanted:
            self._train(space, plan, name)
        done = [name for name in runs if (space.run(name) / DONE).is_file()]
        if len(done) < len(runs):
            say(f"{len(done)} of {len(runs)} folds are trained; the model is made when all are.")
            return SUCCESS
        say("All folds are trained; the model itself learns from all training cases.")
        weights = averaged_weights(self._train(space, plan, FINAL))
        held_out = {name: space.run(name) / "best.pt" for name in runs}
        trained = choose_and_pack(space, plan, weights, held_out, install=not self.no_install, says=say)
        self._end(trained.bundle.name, trained.bundle.root)
        return SUCCESS

    def _train(self, space: Workspace, plan: Plan, name: str) -> Path:
        from monai_unet.planning import train_run

        minutes = plan.epochs * plan.epoch_steps * plan.seconds_per_step / 60
        say(f"Training ({name}): {plan.epochs} epochs, about {max(1, round(minutes))} min.")
        return _followed(train_run(space, plan, name, resume=self.resume, overwrite=self.overwrite, seed=self.seed))

    def _end(self, name: str, root: Path) -> None:
        say(f"The model '{name}' is in {root}; its card says what it reached.")
        say(f"Use it with: monai-unet segment PATH -o OUT --bundle {name if not self.no_install else root}")


def _followed(steps: Generator[Epoch, None, Made]) -> Made:
    """Say each epoch once, with the time that is left."""
    from monai_unet.generators import WithResult

    kept = WithResult(steps)
    said, start, first = -1, time.monotonic(), None
    for epoch in kept:
        if first is None:
            first = epoch.done
        if epoch.done == said or epoch.done == 0:
            continue
        said = epoch.done
        new = max(1, epoch.done - first)
        left = (time.monotonic() - start) / new * (epoch.total - epoch.done)
        dice = "" if epoch.dice is None else f", Dice {epoch.dice:.3f}"
        say(
            f"  epoch {epoch.done} of {epoch.total}: loss {epoch.loss:.3f}{dice}; {left / 60:.0f} min left",
            file=sys.stderr,
        )
    return kept.result
