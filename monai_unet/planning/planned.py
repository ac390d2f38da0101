"""Plan a data set in a workspace: read it, decide, write the lists and the bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.generators import WithResult
from monai_unet.io.datasets import LabelledSet, read_labelled_set
from monai_unet.planning.budget import Budget
from monai_unet.planning.fingerprint import Fingerprint
from monai_unet.planning.make_plan import make_plan
from monai_unet.planning.plan import Plan
from monai_unet.planning.split import kept_split, make_split
from monai_unet.planning.taking import take_fingerprint
from monai_unet.planning.workspace import Workspace, write_lists
from monai_unet.planning.write_bundle import write_bundle

Said = Callable[[str], object]


@dataclass(frozen=True, eq=False)
class Planned:
    """What planning gave: the plan, the data set with a validation list, its fingerprint."""

    plan: Plan
    labelled: LabelledSet
    fingerprint: Fingerprint


def plan_data_set(
    data: str | Path,
    space: Workspace,
    *,
    budget: Budget,
    device: str,
    memory_gib: float | None = None,
    name: str = "",
    image: Sequence[str] = (),
    label: str = "",
    structures: str | Path | Mapping[str, object] | None = None,
    keep_going: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    seed: int = 0,
    says: Said = print,
) -> Planned:
    """Read a data set, plan a model for it and write the plan's bundle.

    Args:
        data: folder or file of the data set, in any layout that `read_labelled_set` knows.
        space: where everything is written.
        budget, device, memory_gib, name: see `make_plan`.
        image, label, structures: which of what the data set holds, see `read_labelled_set`; masks of DICOM contours are
            drawn into the folder `masks` of `space`.
        keep_going: leave faulty cases out instead of refusing the data set.
        overwrite: replace a plan that is there; trainings of the old one are kept and do not fit the new one.
        workers: processes that read.
        seed: of the validation list, where one is drawn.
        says: is told what is done.

    Raises:
        InputError: the data set cannot be used, or a plan is there already.
    """
    if space.plan_file.exists() and not overwrite:
        raise InputError(
            f"{space.root} holds a plan already; train it (monai-unet train {space.root}), name another folder, or say "
            "--overwrite."
        )
    labelled = read_labelled_set(
        data, image=image, label=label or None, structures=structures, masks=space.root / "masks"
    )
    says(f"{labelled.name}: {labelled.layout}, {len(labelled.cases)} cases.")
    space.root.mkdir(parents=True, exist_ok=True)
    reading = WithResult(take_fingerprint(labelled, journal=space.journal_file, workers=workers, keep_going=keep_going))
    for done, _ in enumerate(reading, start=1):
        if done % 25 == 0:
            says(f"  {done} of {len(labelled.cases)} cases read")
    fingerprint = reading.result
    fingerprint.save(space.fingerprint_file)
    for warning in fingerprint.warnings:
        says(f"Note: {warning}")
    split = kept_split(space.split_file, make_split(labelled, fingerprint, seed=seed))
    for reason in split.reasons:
        says(f"Lists: {reason}.")
    parts = {
        name: part
        for part, names in (("training", split.training), ("validation", split.validation), ("test", split.test))
        for name in names
    }
    learnt = tuple(replace(case, part=parts[case.name]) for case in fingerprint.cases if case.name in parts)
    plan = make_plan(
        replace(fingerprint, cases=learnt),
        budget=budget,
        device=device,
        memory_gib=memory_gib,
        name=name,
        says=says,
    )
    lists = {
        part: [case for case in labelled.cases if parts.get(case.name) == part]
        for part in ("training", "validation", "test")
    }
    write_lists(space.dataset_file(), labelled, lists)
    write_bundle(plan, space.bundle(plan))
    plan.save(space.plan_file)
    return Planned(plan, labelled, fingerprint)
