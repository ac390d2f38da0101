from .benchmark import BALL, SEED, TARGETS, Click, Curve, run_case
from .cases import CaseFiles, ClickCase, list_cases, read_case
from .data_set import ClickSettings, MeasuredObject, chosen_pictures, measure_cases, measure_object
from .report import CaseCurve, write_benchmark

__all__ = [
    "BALL",
    "SEED",
    "TARGETS",
    "CaseCurve",
    "CaseFiles",
    "Click",
    "ClickCase",
    "ClickSettings",
    "Curve",
    "MeasuredObject",
    "chosen_pictures",
    "list_cases",
    "measure_cases",
    "measure_object",
    "read_case",
    "run_case",
    "write_benchmark",
]
