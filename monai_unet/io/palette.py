"""The one palette: colours that labels get by their value, and those in which pictures and plots are drawn."""

from __future__ import annotations

Color = tuple[int, int, int]
"""RGB, 0 to 255."""

ORANGE: Color = (230, 159, 0)
SKY_BLUE: Color = (86, 180, 233)
GREEN: Color = (0, 158, 115)
YELLOW: Color = (240, 228, 66)
PURPLE: Color = (204, 121, 167)
VERMILION: Color = (213, 94, 0)
BLUE: Color = (0, 114, 178)

LABELS: tuple[Color, ...] = (
    ORANGE,
    SKY_BLUE,
    GREEN,
    YELLOW,
    PURPLE,
    VERMILION,
    BLUE,
    (160, 220, 80),
    (250, 150, 150),
    (150, 130, 230),
)
"""Okabe & Ito (2008), told apart by colour-blind readers too, and three more; in the order in which labels get them."""


def label_color(value: int) -> Color:
    """The colour of a label value, from 1 on, of which neither file nor model states one.

    >>> label_color(1), label_color(11)
    ((230, 159, 0), (230, 159, 0))
    """
    return LABELS[(value - 1) % len(LABELS)]


def unit_rgb(color: Color) -> tuple[float, float, float]:
    """RGB from 0 to 1, as matplotlib and napari take it.

    >>> unit_rgb((255, 51, 0))
    (1.0, 0.2, 0.0)
    """
    red, green, blue = color
    return red / 255, green / 255, blue / 255
