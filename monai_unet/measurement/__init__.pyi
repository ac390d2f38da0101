from .criteria import Target, bidimensional_product, is_node, rano_measurable, recist_objections, sum_of_diameters
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
from .uptake import Uptake, measure_uptake
from .viewer_results import KINDS, ViewerResults, write_viewer_results

__all__ = [
    "KINDS",
    "Lesion",
    "MeasuredParts",
    "Target",
    "Uptake",
    "ViewerResults",
    "acquisition_axis",
    "bidimensional_product",
    "box_with_margin",
    "component_map",
    "contour_figure",
    "draw_contour",
    "draw_directions",
    "find_lesions",
    "for_report",
    "fullest_planes",
    "grey_window",
    "is_node",
    "measure_lesions",
    "measure_parts",
    "measure_structure",
    "measure_uptake",
    "plane_slice",
    "rano_measurable",
    "recist_objections",
    "segmentation_beside",
    "sum_of_diameters",
    "write_lesion_report",
    "write_viewer_results",
]
