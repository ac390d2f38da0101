"""One case from files to numbers: what a worker does, on this machine or on a cluster."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError, system_sentence
from monai_unet.evaluation.calibration import Reliability, reliability
from monai_unet.evaluation.detection import LesionRecord, Side, match_lesions
from monai_unet.evaluation.label_maps import read_label_map, read_probabilities, require_same_grid
from monai_unet.evaluation.overlap import overlaps
from monai_unet.evaluation.pairs import Pair
from monai_unet.evaluation.scores import ClassScore, Status, score_case
from monai_unet.evaluation.surface import Surface
from monai_unet.geometry import Box, Grid, grid_of
from monai_unet.io import notes_of, read_volume
from monai_unet.mappings import Json
from monai_unet.measurement import acquisition_axis, component_map, measure_lesions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreSettings:
    """What is scored and how.

    Attributes:
        labels: name of each label value.
        tolerances_mm: of the normalized surface Dice.
        surface: definition of the surface.
        lesion_labels: label values whose connected parts are scored as lesions.
    """

    labels: Mapping[int, str]
    tolerances_mm: tuple[float, ...] = (1.0,)
    surface: Surface = Surface.AREA
    lesion_labels: tuple[int, ...] = ()


@dataclass(frozen=True)
class CaseResult:
    """All numbers of one case, or the reason why there are none.

    Attributes:
        pair: the case and its files.
        scores: one row per class.
        lesions: one record per lesion of either side.
        calibration: reliability of the foreground probabilities, if they were given.
        failure: one sentence; empty when the case was scored.
        notes: what was unusual about its files, one sentence each, which begins with the file's role.
        seconds: CPU seconds that it took.
    """

    pair: Pair
    scores: tuple[ClassScore, ...] = ()
    lesions: tuple[LesionRecord, ...] = ()
    calibration: Reliability | None = None
    failure: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def to_json(self) -> Json:
        """Plain dictionaries, lists and numbers."""
        content = asdict(self)
        if self.calibration is not None:
            content["calibration"] = {name: values.tolist() for name, values in asdict(self.calibration).items()}
        return content

    def renamed(self, case: str) -> CaseResult:
        """The same result under another case name."""
        return replace(
            self,
            pair=replace(self.pair, case=case),
            scores=tuple(replace(score, case=case) for score in self.scores),
            lesions=tuple(replace(record, case=case) for record in self.lesions),
        )

    @classmethod
    def from_json(cls, content: Json) -> CaseResult:
        """The inverse of `to_json`."""
        pair = content["pair"]
        calibration = content["calibration"]
        return cls(
            pair=Pair(**pair | {"images": tuple(pair["images"])}),
            scores=tuple(score_from_json(row) for row in content["scores"]),
            lesions=tuple(
                LesionRecord(
                    **row
                    | {
                        "side": Side(row["side"]),
                        "partners": tuple(row["partners"]),
                        "centroid_mm": tuple(row["centroid_mm"]),
                    }
                )
                for row in content["lesions"]
            ),
            calibration=calibration and Reliability(**{name: np.array(values) for name, values in calibration.items()}),
            failure=content["failure"],
            notes=tuple(content.get("notes", ())),
            seconds=content["seconds"],
        )


def score_from_json(row: Json) -> ClassScore:
    """A `ClassScore` from the dictionary that `asdict` and JSON made of it."""
    lists = {"tolerances_mm": tuple(row["tolerances_mm"]), "nsd": tuple(row["nsd"])}
    return ClassScore(**{**row, **lists, "status": Status(row["status"])})


class CaseWork(ABC):
    """What `monai_unet.batch.run_cases` calls for each case; it must be picklable, and must not raise."""

    @abstractmethod
    def __call__(self, pair: Pair, /) -> CaseResult:
        """Result of one case."""

    def given_up(self, pair: Pair, reason: str, /) -> CaseResult:
        """Result of a case that killed its worker every time."""
        return CaseResult(pair, failure=reason)


@dataclass(frozen=True)
class ScoreFiles(CaseWork):
    """`CaseWork` that scores files that exist."""

    settings: ScoreSettings

    def __call__(self, pair: Pair, /) -> CaseResult:
        """Read, check, score; whatever goes wrong becomes the case's `failure`."""
        start = time.process_time()
        try:
            result = self._score(pair)
        except InputError as error:
            return CaseResult(pair, failure=str(error))
        except (OSError, MemoryError) as error:
            return CaseResult(pair, failure=system_sentence(error))
        except Exception as error:
            logger.exception("case %s", pair.case)
            return CaseResult(pair, failure=f"unexpected {type(error).__name__}: {error}; please report this.")
        return replace(result, seconds=time.process_time() - start)

    def _score(self, pair: Pair) -> CaseResult:
        names, images = self.settings.labels, pair.images[0] if pair.images else ""
        reference, grid, of_reference = read_label_map(pair.reference, labels=names, images=images, series=pair.series)
        prediction, predicted_grid, of_prediction = read_label_map(
            pair.prediction, labels=names, images=images, series=pair.series
        )
        require_same_grid(predicted_grid, grid)
        image, of_image = image_on(pair, grid) if self.settings.lesion_labels else (None, ())
        scores, lesions = score_label_maps(
            prediction, reference, grid=grid, settings=self.settings, image=image, case=pair.case
        )
        roles = {"reference": of_reference, "prediction": of_prediction, "image": of_image}
        notes = tuple(f"{role}: {note}" for role, found in roles.items() for note in found)
        return CaseResult(pair, scores, lesions, _calibration(pair, reference, grid), notes=notes)


def score_label_maps(
    prediction: NDArray[np.integer],
    reference: NDArray[np.integer],
    *,
    grid: Grid,
    settings: ScoreSettings,
    image: NDArray[np.number] | None = None,
    case: str = "",
) -> tuple[tuple[ClassScore, ...], tuple[LesionRecord, ...]]:
    """Class scores and lesions of two label maps (S, A, R) on one grid.

    Raises:
        InputError: as `score_case`.
    """
    scores = score_case(
        prediction,
        reference,
        spacing=grid.spacing,
        labels=settings.labels,
        tolerance_mm=settings.tolerances_mm,
        surface=settings.surface,
        case=case,
    )
    wanted = {value: settings.labels[value] for value in settings.lesion_labels}
    boxes = overlaps(prediction, reference, settings.labels) if wanted else {}
    lesions = [
        record
        for value, name in wanted.items()
        for record in lesion_records(
            prediction, reference, grid, value=value, name=name, box=boxes[value].box, image=image, case=case
        )
    ]
    return tuple(scores), tuple(lesions)


def lesion_records(
    prediction: NDArray[np.integer],
    reference: NDArray[np.integer],
    grid: Grid,
    *,
    value: int,
    name: str,
    box: Box | None,
    image: NDArray[np.number] | None = None,
    case: str = "",
) -> list[LesionRecord]:
    """Lesions of one class of both label maps (S, A, R), measured and matched inside the class's bounding box."""
    if box is None:
        return []
    affine = grid.crop(box).affine
    axis = acquisition_axis(grid)
    parts = component_map(prediction[box] == value), component_map(reference[box] == value)
    here = None if image is None else image[box]
    lesions = [
        [
            replace(lesion, slice_index=lesion.slice_index + box[axis].start)
            for lesion in measure_lesions(part, affine, image=here, label=value, name=name, normal_axis=axis)
        ]
        for part in parts
    ]
    return match_lesions(*parts, *lesions, case=case)


def image_on(pair: Pair, grid: Grid) -> tuple[NDArray[np.number] | None, tuple[str, ...]]:
    """First channel (S, A, R) of the case's image, or None where there is none on the grid of the labels, as scores
    need none; and notes."""
    if not pair.images:
        return None, ()
    if not Path(pair.images[0]).exists():
        return None, (f"{pair.images[0]} does not exist, the case is scored without its image",)
    try:
        volume = read_volume(pair.images[0], series=pair.series or None)
    except InputError as error:
        return None, (f"the case is scored without it, {error}",)
    if not grid_of(volume).matches(grid, tolerance=0.01):
        return None, ("it lies on another grid than the labels, the case is scored without it",)
    return volume[0].numpy(), notes_of(volume.meta)


def _calibration(pair: Pair, reference: NDArray[np.integer], grid: Grid) -> Reliability | None:
    if not pair.probabilities:
        return None
    probabilities, probabilities_grid = read_probabilities(pair.probabilities)
    require_same_grid(probabilities_grid, grid, what="probability volume")
    return reliability(probabilities, reference)
