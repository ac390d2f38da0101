"""Lists of a cross-validation in a workspace."""

from __future__ import annotations

from collections.abc import Mapping

from monai_unet.errors import InputError
from monai_unet.io.datasets import LabelledCase, read_dataset
from monai_unet.mappings import Json
from monai_unet.planning.case_fingerprint import stamp_of
from monai_unet.planning.fingerprint import Fingerprint, read_fingerprint
from monai_unet.planning.split import Split, kept_split, make_folds
from monai_unet.planning.workspace import FINAL, PARTS, Workspace, write_entries


def fold_runs(folds: int) -> list[str]:
    """Names of the runs of a cross-validation."""
    return [f"fold_{number}" for number in range(folds)]


def write_folds(space: Workspace, folds: int, *, seed: int = 0) -> Split:
    """Draw folds by patient, once, and write the lists of each, and those of the model itself (all training cases).

    Raises:
        InputError: patients are not known, or there are fewer than folds.
    """
    fingerprint = read_fingerprint(space.fingerprint_file)
    if not fingerprint.patients_known:
        raise InputError(
            f"{fingerprint.root} does not say which training cases are of one patient, so folds could share patients; "
            "train on its own lists, without --fold."
        )
    listed = read_dataset(space.dataset_file())
    entries: dict[str, Json] = {
        str(entry["name"]): entry for part in ("training", "validation") for entry in listed.get(part, ())
    }
    learnt = _training(fingerprint, entries)
    marked = {
        case.name: frozenset(number for number, entry in enumerate(case.classes, 1) if entry.voxels)
        for case in fingerprint.cases
    }
    drawn = make_folds(learnt, folds, seed, marked=marked)
    names = tuple(case.name for case in learnt)
    file = space.root / f"split_{folds}_folds.json"
    split = kept_split(file, Split(names, (), (), drawn, seed, (f"{len(drawn)} folds by patient, seed {seed}",)))
    common = {key: value for key, value in listed.items() if not isinstance(value, list) or key == "channels"}
    for number, run in enumerate(fold_runs(len(split.folds))):
        training, held = split.of_fold(number)
        write_entries(space.dataset_file(run), common, _lists(entries, training, held))
    # its validation is a sign of life: these cases are learnt from
    write_entries(space.dataset_file(FINAL), common, _lists(entries, split.training, split.folds[0]))
    return split


def changed_cases(space: Workspace) -> list[str]:
    """Names of listed cases whose files are other ones than when the data set was planned."""
    fingerprint, listed = read_fingerprint(space.fingerprint_file), read_dataset(space.dataset_file())
    entries = {str(e["name"]): e for part in PARTS for e in listed.get(part, ())}
    changed = []
    for case in fingerprint.cases:
        entry = entries.get(case.name)
        if entry is None:
            continue
        image = entry["image"]
        files = [image] if isinstance(image, str) else [f if isinstance(f, str) else f[0] for f in image]
        now = LabelledCase(case.name, tuple(dict.fromkeys(map(str, files))), str(entry["label"]), case.group)
        if stamp_of(now) != case.stamp:
            changed.append(case.name)
    return changed


def _training(fingerprint: Fingerprint, entries: Mapping[str, Json]) -> list[LabelledCase]:
    found = []
    for case in fingerprint.cases:
        entry = entries.get(case.name)
        if case.part == "training" and entry is not None:
            fold = entry.get("fold")
            found.append(LabelledCase(case.name, (), str(entry["label"]), case.group, case.site, case.part, fold=fold))
    return found


def _lists(entries: Mapping[str, Json], training: tuple[str, ...], held: tuple[str, ...]) -> dict[str, list[Json]]:
    return {"training": [entries[name] for name in training], "validation": [entries[name] for name in held]}
