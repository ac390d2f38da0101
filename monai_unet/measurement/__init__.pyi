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

__all__ = [
    "Lesion",
    "MeasuredParts",
    "acquisition_axis",
    "component_map",
    "find_lesions",
    "for_report",
    "measure_lesions",
    "measure_parts",
    "measure_structure",
    "segmentation_beside",
    "write_lesion_report",
]
