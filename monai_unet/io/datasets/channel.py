"""One input of a model: its name, how series descriptions call it, and what its images looked like in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class ExpectedInput:
    """What the volumes of one channel looked like in training; axes are (S, A, R) throughout.

    Attributes:
        modality: CT, MR, PT; empty when it does not matter.
        spacing: smallest and largest voxel size in mm along each axis, or None.
        extent: smallest and largest field of view in mm along each axis, or None.
        intensity: lowest 1st and highest 99th percentile of any training volume, or None where units are arbitrary.
        appearance: mean training volume on 8 × 8 × 8 points, flattened, each volume standardised; None when the
            training volumes do not resemble each other (crops of any body part).
    """

    modality: str = ""
    spacing: tuple[Triple, Triple] | None = None
    extent: tuple[Triple, Triple] | None = None
    intensity: tuple[float, float] | None = None
    appearance: tuple[float, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ExpectedInput:
        """From JSON; keys of later versions are passed over."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: _tuples(value) for name, value in values.items() if name in known})


@dataclass(frozen=True)
class Channel:
    """One input of a model.

    Attributes:
        name: as the user is asked for it.
        synonyms: words by which series descriptions and file names call it (see `match_sequence`).
        modality: CT, MR, PT as in DICOM; empty when it does not matter or is not stated.
        optional: whether the model can do without it; a missing one is an image of zeros.
        contrast_enhanced_head: whether it must show a head, with contrast agent, which is then looked at.
        expected: what its images looked like in training.
        skull_stripped: whether it must show a brain without its skull, which is then looked at.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    modality: str = ""
    optional: bool = False
    contrast_enhanced_head: bool = False
    expected: ExpectedInput = field(default_factory=ExpectedInput)
    skull_stripped: bool = False


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
