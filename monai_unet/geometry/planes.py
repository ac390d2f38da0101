"""The three viewing planes of a volume in the working frame (S, A, R), in radiological convention."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plane:
    """A viewing plane.

    Attributes:
        name: "axial", "coronal" or "sagittal".
        axis: of (S, A, R), the one that counts slices.
        up, across: of (S, A, R), those that run upwards and from the picture's right to its left.
        letters: the patient's directions at the left, right, top and bottom edge of the picture.
    """

    name: str
    axis: int
    up: int
    across: int
    letters: str

    @property
    def order(self) -> tuple[int, int, int]:
        """The axes of (S, A, R) as a picture goes through them: slices, rows, columns."""
        return self.axis, self.up, self.across


PLANES = {
    plane.name: plane
    for plane in (
        Plane("axial", 0, 1, 2, "RLAP"),
        Plane("coronal", 1, 0, 2, "RLSI"),
        Plane("sagittal", 2, 0, 1, "APSI"),
    )
}
"""The planes by name, in the order in which they are shown."""
