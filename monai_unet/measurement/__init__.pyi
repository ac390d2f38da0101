from .lesion_report import MeasuredParts, measure_parts, segmentation_beside, write_lesion_report
from .lesions import (
    Lesion,
    acquisition_axis,
    component_map,
    find_lesions,
    for_report,
    measure_lesions,
    measure_structure,
)
from .pictures import (
    box_with_margin,
    contour_figure,
    draw_contour,
    draw_directions,
    fullest_planes,
    grey_window,
    plane_slice,
)
from .viewer_results import KINDS, ViewerResults, write_viewer_results

__all__ = [
    "KINDS",
    "Lesion",
    "MeasuredParts",
    "ViewerResults",
    "acquisition_axis",
    "box_with_margin",
    "component_map",
    "contour_figure",
    "draw_contour",
    "draw_directions",
    "find_lesions",
    "for_report",
    "fullest_planes",
    "grey_window",
    "measure_lesions",
    "measure_parts",
    "measure_structure",
    "plane_slice",
    "segmentation_beside",
    "write_lesion_report",
    "write_viewer_results",
]
