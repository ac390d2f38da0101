"""A plan from a fingerprint: sizes by `rules`, steps tried on this machine, the rest from what the classes are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from monai_unet.errors import InputError
from monai_unet.io import label_color
from monai_unet.io.dicom import meaning_of
from monai_unet.planning.budget import Budget
from monai_unet.planning.case_fingerprint import CaseFingerprint
from monai_unet.planning.fingerprint import Fingerprint
from monai_unet.planning.plan import Plan, PlannedChannel, PlannedClass, Triple
from monai_unet.planning.rules import CaseFacts, Sizes, sizes
from monai_unet.planning.trial import Trial, try_steps
from monai_unet.planning.write_bundle import slug

_TURNED = {"S": (0, 1, 2), "A": (1, 0, 2), "R": (2, 0, 1)}
"""Axis across the slices → order of the axes (S, A, R) behind `SlicesFirstd`."""

_THICK_CASE = 1.5
_OTHER_PLANES = 0.02
_SAME_SIDE = 0.9
_EPOCHS = 200
_EPOCH_STEPS = 50
_FIRST_GUESS = {"cpu": 300e3, "cuda": 20e6}
"""Voxels per second of a training step before anything was tried."""

_ROUNDS = 6
_GIB = 2**30

Said = Callable[[str], object]


def make_plan(
    fingerprint: Fingerprint,
    *,
    budget: Budget,
    device: str = "cpu",
    memory_gib: float | None = None,
    name: str = "",
    says: Said = print,
    trial: Callable[..., Trial] = try_steps,
) -> Plan:
    """Plan a model for a data set.

    Args:
        fingerprint: of the data set.
        budget: what the training may take.
        device: "cpu" or "cuda".
        memory_gib: what a step may take; None: three quarters of what is at hand.
        name: of the bundle; the data set's own by default.
        says: is told what is tried.
        trial: runs a few steps of a plan.

    Raises:
        InputError: no patch fits the memory, or a step cannot be run at all.
    """
    cases = [case for case in fingerprint.part("training") if case.values]
    turned, why_turned = _slices_first(cases)
    facts = [_facts(case, turned) for case in cases]
    limit = memory_gib if memory_gib is not None else 0.75 * _at_hand_gib(device)
    seconds = budget.seconds or math.inf
    draft = _without_sizes(fingerprint, cases, device, name, turned)
    speed, most = _FIRST_GUESS[device], None
    best: tuple[Sizes, Trial] | None = None
    for _ in range(_ROUNDS):
        chosen = sizes(
            facts,
            device=device,
            voxels_per_second=speed,
            seconds=min(seconds, 1e7),
            batch_size=draft.batch_size,
            most_voxels=most,
        )
        tried = trial(_with_sizes(draft, chosen), memory_gib=limit)
        patch = int(np.prod(chosen.patch_size))
        if tried.failed == "memory" or tried.memory_gib > limit:
            says(f"A patch of {_by(chosen.patch_size)} needs more than {limit:.1f} GiB; a smaller one is tried.")
            smaller = int(patch * 0.4)
            if smaller < 16**3 or (most is not None and smaller >= most):
                raise InputError(
                    f"even a patch of {_by(chosen.patch_size)} voxels needs more than {limit:.1f} GiB; give more "
                    "memory (--memory), or a machine that has it."
                )
            most = smaller
            continue
        if tried.failed:
            raise InputError(f"a training step cannot be run here: {tried.failed}.")
        measured = draft.batch_size * patch / max(tried.seconds, 1e-6)
        says(f"A step of {draft.batch_size} patches of {_by(chosen.patch_size)} takes {tried.seconds:.2f} s.")
        settled = best is not None and best[0].patch_size == chosen.patch_size and best[0].spacing == chosen.spacing
        best = (chosen, tried)
        if settled or abs(measured / speed - 1) < 0.1:
            break
        speed = measured
    if best is None:
        raise InputError(f"no patch was found that fits into {limit:.1f} GiB; give more memory (--memory).")
    chosen, tried = best
    plan = _with_sizes(draft, chosen)
    plan = dataclasses.replace(plan, seconds_per_step=tried.seconds, memory_gib=tried.memory_gib)
    plan = _scheduled(plan, budget, len(cases), len(fingerprint.part("validation")))
    plan = _cached(plan, facts)
    if why_turned:
        plan = _because(plan, "orientation", why_turned)
    return _because(
        plan,
        "memory",
        f"{tried.memory_gib:.1f} GiB were measured for a step, of {limit:.1f} that it may take",
    )


def _without_sizes(
    fingerprint: Fingerprint, cases: Sequence[CaseFingerprint], device: str, name: str, turned: bool
) -> Plan:
    classes = tuple(
        _class(entry.name, entry.values, number, fingerprint) for number, entry in enumerate(fingerprint.classes)
    )
    mirror, why = _mirror(fingerprint, cases, turned)
    called = name or slug(fingerprint.name)
    channels = tuple(
        PlannedChannel(
            entry.name,
            modality=entry.modality,
            window=_window(entry.window) if entry.hounsfield else None,
            zeros_outside=not entry.hounsfield and entry.zeros > 0.5,
            expected_spacing=_limits([case.spacing for case in cases], 0.8, 1.25),
            expected_extent=_limits([case.extent for case in cases], 0.8, 1.25),
        )
        for entry in fingerprint.channels
    )
    if fingerprint.regions and fingerprint.ignore is not None:
        raise InputError(
            "regions together with an ignore label are not supported; give the ignored voxels a class, or the classes "
            "without overlap."
        )
    plan = Plan(
        name=slug(called),
        title=fingerprint.name,
        channels=channels,
        classes=classes,
        spacing=(1.0, 1.0, 1.0),
        patch_size=(1, 1, 1),
        strides=(),
        kernels=(),
        widths=(),
        data_set={
            "name": fingerprint.name,
            "layout": fingerprint.layout,
            "cases": {part: len(fingerprint.part(part)) for part in ("training", "validation", "test")},
        },
        regions=fingerprint.regions,
        ignore=fingerprint.ignore,
        slices_first=turned,
        mirror=mirror,
        mirrored_pairs=fingerprint.mirror_pairs,
        device=device,
    )
    plan = _because(plan, "mirroring", why)
    for channel in channels:
        plan = _because(plan, f"intensities of {channel.name}", _said_of(channel))
    if fingerprint.regions:
        plan = _because(plan, "loss", "Dice and cross-entropy of each region by itself, since regions overlap")
    else:
        plan = _because(plan, "loss", "Dice and cross-entropy, which are right for large and small structures alike")
    return plan


def _class(name: str, values: tuple[int, ...], number: int, fingerprint: Fingerprint) -> PlannedClass:
    value = fingerprint.region_order[number] if fingerprint.regions and fingerprint.region_order else values[0]
    meaning = meaning_of(name)
    known = meaning.type.value != "85756007"  # "Tissue" says nothing
    return PlannedClass(
        name=name,
        value=value,
        values=values,
        color=label_color(number + 1),
        snomed_code=str(meaning.type.value) if known else "",
        snomed_meaning=str(meaning.type.meaning) if known else "",
    )


def _said_of(channel: PlannedChannel) -> str:
    if channel.window is not None:
        low, high, mean, deviation = channel.window
        return (
            f"Hounsfield units mean the same in every scan: cut at {low:g} and {high:g}, then minus {mean:g} by "
            f"{deviation:g}, as of all that is marked"
        )
    where = "where it is not 0" if channel.zeros_outside else "of the image"
    return (
        f"no common scale: each image is cut at its 0.5 and 99.5 per cent and normalised by mean and deviation {where}"
    )


def _window(window: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
    if window is None or window[3] <= 0:
        return None
    low, high, mean, deviation = (round(value, 2) for value in window)
    return low, high, mean, deviation


def _limits(rows: Sequence[Triple], below: float, above: float) -> tuple[Triple, Triple]:
    """Lowest and highest of the cases per axis, with a margin."""
    table = np.array(rows)
    low, high = np.round(table.min(axis=0) * below, 3), np.round(table.max(axis=0) * above, 3)
    return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))


def _slices_first(cases: Sequence[CaseFingerprint]) -> tuple[bool, str]:
    """Whether scans lie in several planes, so that turning their slices to the front makes them alike."""
    counts: dict[str, int] = {}
    for case in cases:
        counts[_across(case.spacing)] = counts.get(_across(case.spacing), 0) + 1
    thick = [axis for axis in counts if axis]
    if len(thick) < 2 or sum(counts[axis] for axis in thick) - max(counts[a] for a in thick) < _OTHER_PLANES * len(
        cases
    ):
        return False, ""
    planes = {"S": "axial", "A": "coronal", "R": "sagittal"}
    said = ", ".join(f"{counts[axis]} {planes[axis]}" for axis in thick)
    return True, f"thick slices in several planes ({said}): each scan is turned so that its slices come first"


def _across(spacing: Triple) -> str:
    """Axis across thick slices, "" for a case of even spacing."""
    order = np.argsort(spacing)
    return "SAR"[int(order[-1])] if spacing[order[-1]] >= _THICK_CASE * spacing[order[-2]] else ""


def _facts(case: CaseFingerprint, turned: bool) -> CaseFacts:
    order = _TURNED[(_across(case.spacing) or "S") if turned else "S"]
    spacing, shape, box = case.spacing, case.shape, case.box_mm
    return CaseFacts(
        (spacing[order[0]], spacing[order[1]], spacing[order[2]]),
        (shape[order[0]], shape[order[1]], shape[order[2]]),
        (box[order[0]], box[order[1]], box[order[2]]),
        tuple(entry.volume_ml for entry in case.classes),
    )


def _mirror(fingerprint: Fingerprint, cases: Sequence[CaseFingerprint], turned: bool) -> tuple[tuple[int, ...], str]:
    """Axes that may be mirrored: left and right, unless something marked is always on one side."""
    names = [entry.name for entry in fingerprint.classes]
    if fingerprint.sided_alone:
        which = ", ".join(names[index - 1] for index in fingerprint.sided_alone)
        return (), f"none: {which} is of one side and has no mirror image among the classes"
    if fingerprint.mirror_pairs and turned:
        return (), "none: left and right lie along different axes in scans of several planes"
    fixed = _fixed_order(fingerprint, cases)
    if fixed:
        first, second = fixed
        return (), f"none: {names[first]} lies on the same side of {names[second]} in nearly every case"
    if fingerprint.mirror_pairs:
        pairs = "; ".join(f"{names[a - 1]} and {names[b - 1]}" for a, b in fingerprint.mirror_pairs)
        return (2,), f"left and right, where {pairs} change places"
    return (2,), "left and right: nothing that is marked is bound to a side"


def _fixed_order(fingerprint: Fingerprint, cases: Sequence[CaseFingerprint]) -> tuple[int, int] | None:
    """Two classes of which one is nearly always to the right of the other, though they are no pair."""
    pairs = {frozenset(pair) for pair in fingerprint.mirror_pairs}
    for first in range(len(fingerprint.classes)):
        for second in range(first + 1, len(fingerprint.classes)):
            if frozenset((first + 1, second + 1)) in pairs:
                continue
            gaps = []
            for case in cases:
                one, other = case.classes[first].centre, case.classes[second].centre
                if one is not None and other is not None:
                    gaps.append((one[2] - other[2]) / case.shape[2])
            if len(gaps) < 5 or np.median(np.abs(gaps)) < 0.01:
                continue
            if max(np.mean(np.array(gaps) > 0), np.mean(np.array(gaps) < 0)) >= _SAME_SIDE:
                return first, second
    return None


def _with_sizes(plan: Plan, chosen: Sizes) -> Plan:
    thick = chosen.kept_slices is not None
    axis = int(np.argmax(chosen.spacing))
    rotate = [0.3, 0.3, 0.3] if not thick else [0.35 if axis == other else 0.0 for other in range(3)]
    return dataclasses.replace(
        plan,
        spacing=chosen.spacing,
        kept_slices=chosen.kept_slices if axis == 0 else None,
        patch_size=chosen.patch_size,
        widths=chosen.widths,
        strides=chosen.strides,
        kernels=chosen.kernels,
        rotate=(rotate[0], rotate[1], rotate[2]),
        reasons={**plan.reasons, **chosen.reasons},
    )


def _scheduled(plan: Plan, budget: Budget, training: int, validation: int) -> Plan:
    """Epochs of at least 50 steps, or a tenth of the training; an epoch visits every case."""
    if budget.epochs:
        steps_of_epoch = max(_EPOCH_STEPS, math.ceil(training / plan.batch_size))
        epochs = budget.epochs
    else:
        steps = max(2, int(budget.seconds / plan.seconds_per_step))
        least = max(1, min(_EPOCH_STEPS, steps // 10))
        visits = math.ceil(least * plan.batch_size / training)
        steps_of_epoch = max(1, visits * training // plan.batch_size)
        epochs = max(1, round(steps / steps_of_epoch))
    total = epochs * steps_of_epoch
    plan = dataclasses.replace(
        plan,
        epochs=epochs,
        epoch_steps=steps_of_epoch,
        ema_decay=round(min(0.999, 1 - 10 / max(20, total)), 4),
        validations=max(1, min(10, epochs, round(total * plan.seconds_per_step / 240))),
    )
    seconds = total * plan.seconds_per_step
    return _because(
        plan,
        "schedule",
        f"{epochs} epochs of {steps_of_epoch} steps, about {_minutes(seconds)} on this {plan.device} without reading "
        f"the data and validation (budget: {budget})",
    )


def _cached(plan: Plan, facts: Sequence[CaseFacts]) -> Plan:
    """Preprocessed cases wait in memory where they take less than a third of it."""
    voxels = sum(float(np.prod(np.array(f.shape) * np.array(f.spacing) / np.array(plan.spacing))) for f in facts)
    size = voxels * (4 * len(plan.channels) + 1) / _GIB
    if size < _at_hand_gib("cpu") / 3:
        return _because(plan, "cache", f"preprocessed cases stay in memory ({size:.1f} GiB)")
    plan = dataclasses.replace(plan, cache="disk")
    return _because(plan, "cache", f"preprocessed cases ({size:.0f} GiB) are kept in the run's folder, not in memory")


def _at_hand_gib(device: str) -> float:
    if device == "cuda":
        import torch

        return torch.cuda.mem_get_info()[0] / _GIB
    import psutil

    return float(psutil.virtual_memory().available) / _GIB


def _because(plan: Plan, what: str, why: str) -> Plan:
    return dataclasses.replace(plan, reasons={**plan.reasons, what: why})


def _by(size: Sequence[int]) -> str:
    return " × ".join(map(str, size))


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
