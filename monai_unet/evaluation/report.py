"""The report: one HTML file without scripts and without links to the net, figures inside."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.evaluation import plots
from monai_unet.evaluation.calibration import Reliability
from monai_unet.evaluation.case_work import CaseResult, image_on
from monai_unet.evaluation.digest import LISTED
from monai_unet.evaluation.label_maps import read_label_map
from monai_unet.evaluation.lesion_summary import LesionSummary
from monai_unet.evaluation.metrics import DEFINITIONS
from monai_unet.evaluation.outputs import Evaluation, listed, size_name
from monai_unet.evaluation.pictures import case_picture
from monai_unet.evaluation.score_table import ScoreTable
from monai_unet.evaluation.scores import ClassScore, Status
from monai_unet.evaluation.statistics import Agreement, Interval
from monai_unet.evaluation.summary import Summary
from monai_unet.evaluation.tables import EMPTY_POLICY
from monai_unet.io import address, plain, write_text
from monai_unet.version import __version__

logger = logging.getLogger(__name__)

WORST, TYPICAL = 4, 2
FEW = 10
"""Below so many cases a percentile bootstrap is too narrow, which the report then says."""

SURFACES = {
    "area": "surface elements weighted by area (DeepMind surface-distance; MONAI with use_subvoxels)",
    "voxel": "boundary voxels, each counting one (MONAI's default)",
}


@dataclass(frozen=True)
class Picture:
    """A case in the report: contours (data URI, empty where it could not be drawn), scores, and links to the files."""

    case: str
    kind: str
    source: str
    scores: Sequence[str]
    links: Mapping[str, str]


def write_report(evaluation: Evaluation, summary: Summary | None, path: str | Path) -> None:
    """Write the report of an evaluation; reads again the few cases that it shows as pictures. Atomic."""
    path = Path(path)
    table = evaluation.digest.table
    write_text(
        path,
        template("report.html").render(
            title=str(evaluation.provenance.get("title", "Evaluation")),
            version=__version__,
            evaluation=evaluation,
            summary=summary,
            headline=_headline(summary) if summary else "",
            columns=[name for name in summary.mean_over_classes if _in_table(name)] if summary else [],
            distributions=_distributions(evaluation, table) if table else [],
            pictures=_pictures(evaluation, table, path.parent) if table else [],
            volumes=_volumes(evaluation, table) if table else [],
            lesions=[(found, _size_rows(found)) for found in evaluation.digest.lesions],
            missed=evaluation.digest.missed,
            notes=[(note, listed(cases)) for note, cases in list(evaluation.notes().items())[:LISTED]],
            notes_left_out=max(0, len(evaluation.notes()) - LISTED),
            calibration=_calibration(evaluation),
            worst=_worst_rows(evaluation, table) if table else [],
            listed=LISTED,
            dots=plots.DOTS,
            few=bool(summary and summary.cases < FEW),
            definitions={**DEFINITIONS, "surface": SURFACES[evaluation.settings.surface]},
            empty_policy=EMPTY_POLICY,
            provenance={key: as_text(value) for key, value in evaluation.provenance.items() if key != "title"},
        ),
    )


def template(name: str) -> Template:
    """A template of this package; everything put into it is escaped."""
    environment = Environment(
        loader=PackageLoader("monai_unet", "evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_without_signs,
    )
    environment.filters |= {
        "interval": format_interval,
        "number": format_number,
        "percent": _percent,
        "head": column_head,
    }
    return environment.get_template(name)


def _without_signs(value: object) -> object:
    """What a template shows, without control characters and signs that turn the direction of writing."""
    return plain(value, lines=True) if type(value) is str and not value.startswith("data:image/") else value


def data_uri(content: bytes, kind: str) -> str:
    """An image as an address that needs no file."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def format_interval(value: Interval) -> str:
    """`0.874 [0.851, 0.893]`, or a dash where there is no value."""
    if not isfinite(value.mean):
        return "–"
    return f"{format_number(value.mean)} [{format_number(value.low)}, {format_number(value.high)}]"


def format_number(value: float | None) -> str:
    """Three decimals below ten, fewer above; a dash for no value."""
    if value is None or not isfinite(value):
        return "–"
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
    return text.replace("-", "−")


def column_head(name: str) -> str:
    """A column's name for a reader: `nsd_1mm` becomes `NSD at 1 mm`."""
    known = {
        "dice": "Dice",
        "iou": "IoU",
        "hd95_mm": "HD95 (mm)",
        "assd_mm": "ASSD (mm)",
        "volume_ml": "Volume (ml)",
        "reference_volume_ml": "Reference volume (ml)",
        "volume_difference_ml": "Volume difference (ml)",
    }
    if name.startswith("nsd_"):
        return f"NSD at {name.removeprefix('nsd_').removesuffix('mm')} mm"
    return known.get(name, name.replace("_", " ").capitalize())


def _in_table(name: str) -> bool:
    return name in ("dice", "hd95_mm", "assd_mm", "volume_difference_ml") or name.startswith("nsd_")


def _headline(summary: Summary) -> str:
    missed = sum(found.n_missed for found in summary.classes)
    spurious = sum(found.n_spurious for found in summary.classes)
    sentence = f"Mean Dice over classes {format_interval(summary.mean_over_classes['dice'])}"
    sentence += f", HD95 {format_interval(summary.mean_over_classes['hd95_mm'])} mm."
    if missed or spurious:
        sentence += f" Structures missed: {missed}; drawn where the reference has none: {spurious}."
    else:
        sentence += " No structure was missed and none was drawn where the reference has none."
    return sentence


def _distributions(evaluation: Evaluation, table: ScoreTable) -> list[tuple[str, str]]:
    names = ["dice", *(f"nsd_{t:g}mm" for t in evaluation.settings.tolerances_mm[:1]), "hd95_mm", "assd_mm"]
    crossed = table.is_status(Status.MISSED) | table.is_status(Status.SPURIOUS)
    empty = {title: crossed[:, k] for k, title in enumerate(table.labels.values())}
    found = []
    for name in names:
        by_class = {title: table.columns[name][:, k] for k, title in enumerate(table.labels.values())}
        share = not name.endswith("_mm") or name.startswith("nsd_")
        image = plots.distribution(by_class, one_empty=empty, title=column_head(name), from_zero_to_one=share)
        found.append((column_head(name), data_uri(image, "svg+xml")))
    return found


def _ranked(table: ScoreTable) -> NDArray[np.int64]:
    """Places of the cases, worst first; a case is as bad as its worst class, so that a missed structure comes first."""
    dice = table.columns["dice"]
    known = np.isfinite(dice)
    worst = np.where(known, dice, np.inf).min(axis=1)
    mean = np.where(known, dice, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.lexsort([mean, worst])[: int(known.any(axis=1).sum())]


def _pictures(evaluation: Evaluation, table: ScoreTable, folder: Path) -> list[Picture]:
    """The worst cases, and the median ones."""
    ranked = list(_ranked(table))
    worst = ranked[: min(WORST, max(len(ranked) - TYPICAL, 1))]
    middle = (len(ranked) - TYPICAL) // 2
    typical = [place for place in ranked[max(middle, 0) : max(middle, 0) + TYPICAL] if place not in worst]
    chosen = [("worst", evaluation.results[place]) for place in worst]
    chosen += [("median", evaluation.results[place]) for place in typical]
    return [_picture(result, kind, evaluation.settings.labels, folder) for kind, result in chosen]


def _picture(result: CaseResult, kind: str, labels: Mapping[int, str], folder: Path) -> Picture:
    pair = result.pair
    files = {"prediction": pair.prediction, "reference": pair.reference}
    files |= {f"image {n}" if n > 1 else "image": path for n, path in enumerate(pair.images, start=1)}
    try:
        images = pair.images[0] if pair.images else ""
        reference, grid, _ = read_label_map(pair.reference, labels=labels, images=images, series=pair.series)
        prediction = read_label_map(pair.prediction, labels=labels, images=images, series=pair.series).labels
        shown = {value: name for value, name in labels.items() if value != 0}
        picture = case_picture(
            prediction,
            reference,
            spacing=grid.spacing,
            image=image_on(pair, grid)[0],
            names=shown if len(shown) > 1 else {},
        )
        source = data_uri(picture, "png")
    except (InputError, OSError) as error:
        logger.warning("no picture of %s: %s", pair.case, error)
        source = ""
    scores = [
        f"{s.name}: {s.status.value.replace('_', ' ')}"
        if s.status is not Status.SCORED
        else f"{s.name}: Dice {s.dice:.3f}, HD95 {format_number(s.hd95_mm)} mm"
        for s in result.scores
    ]
    return Picture(pair.case, kind, source, scores, {name: link(file, folder) for name, file in files.items()})


def link(file: str | Path, folder: Path) -> str:
    """Address of a file as seen from a folder; absolute where there is no relative one (another drive)."""
    try:
        return address(Path(os.path.relpath(file, folder)).as_posix())
    except ValueError:
        return Path(file).resolve().as_uri()


def _volumes(evaluation: Evaluation, table: ScoreTable) -> list[tuple[str, Agreement, str]]:
    found = []
    agreed = evaluation.digest.volume_agreement()
    for k, name in enumerate(table.labels.values()):
        measured, reference = (table.columns[key][:, k] for key in ("volume_ml", "reference_volume_ml"))
        known = np.isfinite(measured)
        if known.any():
            image = plots.bland_altman(measured[known], reference[known], agreed[name], name=name)
            found.append((name, agreed[name], data_uri(image, "svg+xml")))
    return found


def _size_rows(found: LesionSummary) -> list[tuple[str, object]]:
    return [*((size_name(*size), part) for size, part in found.by_size.items()), ("all", found.total)]


def _calibration(evaluation: Evaluation) -> tuple[Reliability, str] | None:
    found = evaluation.digest.calibration
    return None if found is None else (found, data_uri(plots.reliability_curve(found), "svg+xml"))


def _worst_rows(evaluation: Evaluation, table: ScoreTable) -> list[ClassScore]:
    """Rows with the lowest Dice, of equal ones that with the largest HD95 first; at most `LISTED`."""
    dice, distance = (table.columns[name].ravel() for name in ("dice", "hd95_mm"))
    order = np.lexsort([-distance, dice])[: min(LISTED, int(np.isfinite(dice).sum()))]
    labels = list(table.labels)
    places = [divmod(int(index), len(labels)) for index in order]
    return [next(s for s in evaluation.results[case].scores if s.label == labels[k]) for case, k in places]


def _percent(value: float) -> str:
    return f"{value:.0%}" if isfinite(value) else "–"


def as_text(value: object) -> str:
    """A piece of provenance for a reader."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str, indent=1)
