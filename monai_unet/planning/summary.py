"""From the fingerprints of cases to that of their data set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from monai_unet.errors import InputError
from monai_unet.io.datasets import LabelClass, LabelledSet
from monai_unet.planning.case_fingerprint import CaseFingerprint
from monai_unet.planning.fingerprint import ChannelOfSet, ClassOfSet, Fingerprint, Spread
from monai_unet.planning.intensities import LEVELS, ChannelInCase
from monai_unet.planning.label_facts import ClassInCase
from monai_unet.planning.sides import sides_of

_THICK = 1.5
"""Slices are counted along an axis whose spacing is so much larger than the next."""

_ONE_PART = 0.99
_MODALITY = (
    ("CT", re.compile(r"\b(ct|cta|cbct|ncct|cect|hu)\b")),
    ("PT", re.compile(r"\b(pet|pt|suv|fdg)\b")),
    ("MR", re.compile(r"\b(mr|mri|cmr|t1\w*|t2\w*|flair|adc|dwi|swi|pd|pdw|bssfp|dce)\b")),
)


def modality_of(name: str) -> str:
    """DICOM's word for the modality that a channel's name says, or "".

    >>> [modality_of(name) for name in ("CT", "T1-weighted MRI", "flair", "image")]
    ['CT', 'MR', 'MR', '']
    """
    words = re.sub(r"[^a-z0-9]+", " ", name.lower())
    return next((modality for modality, pattern in _MODALITY if pattern.search(words)), "")


def summarised(
    labelled: LabelledSet,
    cases: Sequence[CaseFingerprint],
    *,
    left_out: Mapping[str, str],
    warnings: Sequence[str],
) -> Fingerprint:
    """The fingerprint of a data set from those of its cases.

    Raises:
        InputError: no training case is left, or nothing is marked in any.
    """
    used = [case for case in cases if case.part == "training"]
    marked = [case for case in used if case.values or case.classes]
    if not used:
        raise InputError(f"{labelled.root} has no usable case in its training list; list some.")
    classes = classes_of(labelled, cases)
    if not any(case.box for case in used):
        raise InputError(f"nothing is marked in any training case of {labelled.root}; check its labels.")
    sides = sides_of([entry.name for entry in classes])
    spacings = np.array([case.spacing for case in used])
    median = np.median(spacings, axis=0)
    return Fingerprint(
        name=labelled.name,
        layout=labelled.layout,
        root=labelled.root,
        channels=tuple(_channel(name, n, used) for n, name in enumerate(labelled.channels)),
        classes=tuple(_class(entry, [facts_of(case, entry, labelled) for case in marked]) for entry in classes),
        spacing=_spreads(case.spacing for case in used),
        shape=_spreads(case.shape for case in used),
        extent=_spreads(case.extent for case in used),
        anisotropy=round(float(median.max() / median.min()), 3),
        thickest=dict(Counter(thick_axis(case) for case in used)),
        mirror_pairs=sides.pairs,
        sided_alone=sides.alone,
        labelled=len(marked),
        cases=tuple(cases),
        ignore=labelled.ignore,
        regions=labelled.regions,
        region_order=labelled.region_order,
        patients_known=labelled.patients_known,
        left_out=dict(left_out),
        warnings=tuple(warnings),
    )


def classes_of(labelled: LabelledSet, cases: Sequence[CaseFingerprint]) -> tuple[LabelClass, ...]:
    """The classes that a data set states, else one for each value that occurs."""
    if labelled.classes:
        return labelled.classes
    values = sorted({value for case in cases for value in case.values})
    return tuple(LabelClass(f"label {value}", (value,)) for value in values if value != labelled.ignore)


def facts_of(case: CaseFingerprint, entry: LabelClass, labelled: LabelledSet) -> ClassInCase:
    """What is marked of a class in a case."""
    if labelled.classes:
        return case.classes[labelled.classes.index(entry)]
    by_value = dict(zip(case.values, case.classes, strict=True))
    return by_value.get(entry.values[0], ClassInCase(0, 0.0, 0, 0.0, None))


def thick_axis(case: CaseFingerprint) -> str:
    """Letter of the axis along which slices are counted, or "" where the spacing is even."""
    order = np.argsort(case.spacing)
    if case.spacing[order[2]] < _THICK * case.spacing[order[1]]:
        return ""
    return "SAR"[int(order[2])]


def _channel(name: str, number: int, cases: Sequence[CaseFingerprint]) -> ChannelOfSet:
    found = [case.channels[number] for case in cases]
    stated = Counter(channel.modality for channel in found if channel.modality)
    modality = stated.most_common(1)[0][0] if stated else modality_of(name)
    hounsfield = modality in ("CT", "") and np.mean([channel.hounsfield for channel in found]) >= 0.8
    return ChannelOfSet(
        name=name,
        modality=modality or ("CT" if hounsfield else ""),
        hounsfield=bool(hounsfield),
        window=_window(found),
        zeros=round(float(np.median([channel.zeros for channel in found])), 4),
    )


def _window(channels: Sequence[ChannelInCase]) -> tuple[float, float, float, float] | None:
    """Percentiles 0.5 and 99.5, mean and standard deviation of what is marked, each case with the same weight."""
    marked = [channel for channel in channels if channel.foreground is not None]
    if not marked:
        return None
    points = (np.arange(2000) + 0.5) / 2000
    pooled = np.concatenate([np.interp(points, LEVELS, channel.quantiles) for channel in marked])
    means = np.array([channel.foreground.mean for channel in marked if channel.foreground])
    squares = np.array([channel.foreground.sd**2 for channel in marked if channel.foreground]) + means**2
    mean = float(means.mean())
    low, high = np.percentile(pooled, (0.5, 99.5))
    sd = float(np.sqrt(max(float(squares.mean()) - mean**2, 0.0)))
    return _digits(low), _digits(high), _digits(mean), _digits(sd)


def _class(entry: LabelClass, facts: Sequence[ClassInCase]) -> ClassOfSet:
    there = [one for one in facts if one.voxels]
    return ClassOfSet(
        name=entry.name,
        values=entry.values,
        cases=len(there),
        volume_ml=_spread([one.volume_ml for one in there]) if there else None,
        components=_spread([one.components for one in there]) if there else None,
        single=round(float(np.mean([one.largest >= _ONE_PART for one in there])), 3) if there else 0.0,
    )


def _spreads(triples: Iterable[Sequence[float]]) -> tuple[Spread, Spread, Spread]:
    columns = list(zip(*triples, strict=True))
    return _spread(columns[0]), _spread(columns[1]), _spread(columns[2])


def _spread(values: Sequence[float]) -> Spread:
    p10, median, p90 = np.percentile(values, (10, 50, 90))
    return Spread(*(_digits(v) for v in (median, p10, p90, min(values), max(values))))


def _digits(value: float | np.floating) -> float:
    return float(f"{float(value):.6g}")
