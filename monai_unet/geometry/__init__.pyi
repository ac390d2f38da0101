from .boxes import Box, bounding_box, box_shape, grow, inside_of, intersection, make_box, shift, union, whole_box
from .grid import (
    WORKING_AXES,
    Grid,
    crop_volume,
    from_working_frame,
    grid_of,
    meta_of,
    source_grid,
    spacing_of,
    to_working_frame,
)
from .placement import place
from .planes import PLANES, Plane
from .resample import SAME, onto_grid

__all__ = [
    "PLANES",
    "SAME",
    "WORKING_AXES",
    "Box",
    "Grid",
    "Plane",
    "bounding_box",
    "box_shape",
    "crop_volume",
    "from_working_frame",
    "grid_of",
    "grow",
    "inside_of",
    "intersection",
    "make_box",
    "meta_of",
    "onto_grid",
    "place",
    "shift",
    "source_grid",
    "spacing_of",
    "to_working_frame",
    "union",
    "whole_box",
]
