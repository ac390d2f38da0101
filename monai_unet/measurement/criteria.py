"""Response criteria: what RECIST 1.1 and RANO ask of target lesions, and the numbers that they follow.

RECIST 1.1: Eisenhauer et al., Eur J Cancer 45 (2009) 228, with Schwartz et al., Eur J Cancer 62 (2016) 138 (lymph
nodes count as one organ). RANO: Wen et al., J Clin Oncol 28 (2010) 1963. Nobody but a reader can say which lesions are
representative: what is broken of the rules is named, and the numbers are of the lesions that were chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from monai_unet.measurement.lesions import Lesion

MOST_TARGETS, MOST_IN_ORGAN = 5, 2
LEAST_MM, LEAST_NODE_MM = 10.0, 15.0
_THIN_MM = 5.0
NODES = "lymph nodes"


@dataclass(frozen=True)
class Target:
    """A lesion that was chosen as a target.

    Attributes:
        name: what a person calls it.
        lesion: its measurements.
        organ: where it lies, as the reader calls it; empty where nobody said. Words with "node" or "nodal" in them are
            lymph nodes, wherever they lie.
    """

    name: str
    lesion: Lesion
    organ: str = ""

    @property
    def node(self) -> bool:
        """Whether it is a lymph node, which counts by its short axis."""
        return is_node(self.organ)

    @property
    def diameter_mm(self) -> float:
        """What counts in the sum: the long axis, of a lymph node the short one."""
        return (self.lesion.short_axis if self.node else self.lesion.long_axis).length_mm


def is_node(organ: str) -> bool:
    """Whether the name of an organ says lymph node.

    >>> is_node("Lymph node, left axilla"), is_node("nodule"), is_node("")
    (True, False, False)
    """
    words = organ.lower().replace(",", " ").split()
    return any(word in ("node", "nodes", "nodal", "lymphadenopathy") for word in words)


def sum_of_diameters(targets: Sequence[Target]) -> float:
    """RECIST 1.1 sum of diameters in mm: long axes, of lymph nodes short axes."""
    return sum(target.diameter_mm for target in targets)


def recist_objections(targets: Sequence[Target], slice_mm: float) -> tuple[str, ...]:
    """What RECIST 1.1 has against a choice of target lesions, one sentence each; empty where it has nothing.

    Args:
        targets: those that were chosen.
        slice_mm: distance of the slices in mm. Above 5 mm a lesion must measure two of them.
    """
    found = [sentence for target in targets if (sentence := _too_small(target, slice_mm))]
    if len(targets) > MOST_TARGETS:
        found.append(f"RECIST 1.1 takes at most five target lesions, and {len(targets)} are chosen.")
    organs = Counter(NODES if target.node else target.organ.strip().lower() for target in targets)
    found += [
        f"RECIST 1.1 takes at most two target lesions of an organ, and {count} of '{organ}' are chosen."
        for organ, count in organs.items()
        if organ and count > MOST_IN_ORGAN
    ]
    if len(targets) > MOST_IN_ORGAN and organs[""]:
        found.append("Say the organ of each target lesion: RECIST 1.1 takes at most two of one.")
    return tuple(found)


def bidimensional_product(lesion: Lesion) -> float:
    """RANO product in mm²: the longest diameter in a slice times the longest one perpendicular to it there."""
    return lesion.long_axis.length_mm * lesion.short_axis.length_mm


def rano_measurable(lesion: Lesion, slice_mm: float) -> bool:
    """Whether RANO calls a lesion measurable: both diameters of 10 mm or more, or of two slices if these are thicker.

    That it enhances, has clear margins and is seen on two slices, the reader must see.

    Args:
        lesion: its measurements.
        slice_mm: distance of the slices in mm.
    """
    return min(lesion.long_axis.length_mm, lesion.short_axis.length_mm) >= _least(slice_mm)


def _least(slice_mm: float) -> float:
    return LEAST_MM if slice_mm <= _THIN_MM else max(LEAST_MM, 2 * slice_mm)


def _too_small(target: Target, slice_mm: float) -> str:
    least = LEAST_NODE_MM if target.node else _least(slice_mm)
    if target.diameter_mm >= least:
        return ""
    what = "short axis of a target lymph node" if target.node else "long axis of a target lesion"
    thick = f" (two slices of {slice_mm:.3g} mm)" if not target.node and least > LEAST_MM else ""
    return f"{target.name}: the {what} must be {least:.3g} mm{thick} in RECIST 1.1, and is {target.diameter_mm:.1f} mm."
