"""The fingerprint of a data set: what planning knows of it, without reading it again."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io import write_text
from monai_unet.io.datasets import LabelledSet
from monai_unet.mappings import Json
from monai_unet.planning.case_fingerprint import CaseFingerprint, Triple, stamp_of
from monai_unet.planning.typed_json import from_plain

FINGERPRINT_FILE = "fingerprint.json"
_VERSION = 1


@dataclass(frozen=True)
class Spread:
    """Median, 10th and 90th percentile, lowest and highest of one number over the cases."""

    median: float
    p10: float
    p90: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class ChannelOfSet:
    """One channel over the training cases.

    Attributes:
        name: as the data set calls it.
        modality: DICOM's word, "CT", "MR", "PT", or "" where neither a header nor the name says it.
        hounsfield: whether the values are Hounsfield units, so that intensities have a scale common to all cases.
        window: over what is marked in all cases, each with the same weight: percentiles 0.5 and 99.5, mean and standard
            deviation (nnU-Net's for CT); None where nothing is marked.
        zeros: median share of voxels that are exactly 0.
    """

    name: str
    modality: str
    hounsfield: bool
    window: tuple[float, float, float, float] | None
    zeros: float


@dataclass(frozen=True)
class ClassOfSet:
    """One class over the labelled training cases.

    Attributes:
        name, values: as the data set states them.
        cases: in how many cases it occurs.
        volume_ml: over the cases in which it occurs; None where it occurs nowhere.
        components: connected parts, over the same.
        single: share of these cases in which all voxels but one per cent are one connected part.
    """

    name: str
    values: tuple[int, ...]
    cases: int
    volume_ml: Spread | None
    components: Spread | None
    single: float


@dataclass(frozen=True)
class Fingerprint:
    """What planning knows of a data set; axes are those of the working frame (S, A, R).

    Numbers over the set are those of the training list alone; `cases` are all that were read.

    Attributes:
        name, layout, root, ignore, regions, region_order, patients_known: as in `LabelledSet`.
        channels, classes: in the data set's order; classes that it does not name are the values that occur.
        spacing: mm, shape: voxels, extent: mm; one spread per axis.
        anisotropy: largest to smallest median spacing.
        thickest: axis letter → training cases whose slices are counted along it; cases of even spacing are under "".
        mirror_pairs: class indices (from 1) that change places when R is mirrored.
        sided_alone: class indices of one side without a mirror image: R must not be mirrored.
        labelled: labelled training cases.
        left_out: case → why it is not used.
        warnings: sentences a person should read before training.
    """

    name: str
    layout: str
    root: str
    channels: tuple[ChannelOfSet, ...]
    classes: tuple[ClassOfSet, ...]
    spacing: tuple[Spread, Spread, Spread]
    shape: tuple[Spread, Spread, Spread]
    extent: tuple[Spread, Spread, Spread]
    anisotropy: float
    thickest: dict[str, int]
    mirror_pairs: tuple[tuple[int, int], ...]
    sided_alone: tuple[int, ...]
    labelled: int
    cases: tuple[CaseFingerprint, ...]
    ignore: int | None = None
    regions: bool = False
    region_order: tuple[int, ...] = ()
    patients_known: bool = True
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    version: int = _VERSION

    @property
    def median_spacing(self) -> Triple:
        """Median spacing of the training cases, mm."""
        return self.spacing[0].median, self.spacing[1].median, self.spacing[2].median

    def part(self, name: str) -> tuple[CaseFingerprint, ...]:
        """Cases of one list, "training", "validation" or "test"."""
        return tuple(case for case in self.cases if case.part == name)

    def to_json(self) -> Json:
        """Plain values for a JSON file."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Json) -> Fingerprint:
        """From parsed JSON.

        Raises:
            InputError: it is no fingerprint of this version.
        """
        try:
            found = from_plain(cls, content)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            raise InputError(f"this is no fingerprint of a data set ({error}); take it again.") from None
        if found.version != _VERSION:
            raise InputError(f"this fingerprint has version {found.version}, not {_VERSION}; take it again.")
        return found

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        write_text(Path(path), json.dumps(self.to_json()) + "\n")


def read_fingerprint(path: str | Path) -> Fingerprint:
    """The fingerprint in a file.

    Raises:
        InputError: there is none.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a fingerprint ({error}); take it again.") from None
    return Fingerprint.from_json(content)


def changes_since(fingerprint: Fingerprint, labelled: LabelledSet) -> list[str]:
    """Sentences on what changed in a data set since its fingerprint was taken: cases gone, new, or other files."""
    now = {case.name: case for case in labelled.cases}
    before = {case.name: case for case in fingerprint.cases}
    known = before.keys() | fingerprint.left_out.keys()
    found = [f"{name} is no longer listed" for name in before if name not in now]
    found += [f"{name} is new" for name in now if name not in known]
    for name, case in before.items():
        if name not in now:
            continue
        if stamp_of(now[name]) != case.stamp:
            found.append(f"the files of {name} changed")
        elif now[name].part != case.part:
            found.append(f"{name} moved from {case.part} to {now[name].part}")
    return found
