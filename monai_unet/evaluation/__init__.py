"""Honest evaluation: label maps with spacing in, numbers whose meaning is stated out."""

from monai_unet.evaluation.handler import ScoreHandler
from monai_unet.evaluation.label_maps import labels_of, read_label_map, require_same_grid
from monai_unet.evaluation.lesions import Lesion, component_map, find_lesions, measure_lesions
from monai_unet.evaluation.scores import ClassScore, Status, score_case
from monai_unet.evaluation.summary import ClassSummary, Summary, summarise
from monai_unet.evaluation.surface import Surface
from monai_unet.evaluation.tables import text_table, write_cases_csv, write_summary_json

__all__ = [
    "ClassScore",
    "ClassSummary",
    "Lesion",
    "ScoreHandler",
    "Status",
    "Summary",
    "Surface",
    "component_map",
    "find_lesions",
    "labels_of",
    "measure_lesions",
    "read_label_map",
    "require_same_grid",
    "score_case",
    "summarise",
    "text_table",
    "write_cases_csv",
    "write_summary_json",
]
