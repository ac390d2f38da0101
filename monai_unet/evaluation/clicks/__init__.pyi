from .benchmark import BALL, SEED, TARGETS, Curve, run_case
from .cases import Case, list_cases, read_case
from .report import CaseCurve, write_benchmark

__all__ = [
    "BALL",
    "SEED",
    "TARGETS",
    "Case",
    "CaseCurve",
    "Curve",
    "list_cases",
    "read_case",
    "run_case",
    "write_benchmark",
]
