from .lesions import Lesion, acquisition_axis, component_map, find_lesions, for_report, measure_lesions

__all__ = ["Lesion", "acquisition_axis", "component_map", "find_lesions", "for_report", "measure_lesions"]
