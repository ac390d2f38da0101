from .boxes import Box, bounding_box, box_shape, grow, inside_of, intersection, make_box, shift, union, whole_box
from .grid import WORKING_AXES, Grid, from_working_frame, spacing_of, to_working_frame
from .placement import place
from .planes import PLANES, Plane

__all__ = [
    "PLANES",
    "WORKING_AXES",
    "Box",
    "Grid",
    "Plane",
    "bounding_box",
    "box_shape",
    "from_working_frame",
    "grow",
    "inside_of",
    "intersection",
    "make_box",
    "place",
    "shift",
    "spacing_of",
    "to_working_frame",
    "union",
    "whole_box",
]
