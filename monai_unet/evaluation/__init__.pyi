from . import pairs, provenance
from .case_work import CaseResult, CaseWork, ScoreFiles, ScoreSettings
from .compare import compare, read_result, text_rows, write_comparison_json
from .compare_report import write_comparison_report
from .handler import ScoreHandler
from .journal import EvaluationJournal, StoredResults
from .label_maps import LabelMap, labels_in, labels_of, read_label_map, require_same_grid
from .lesion_classes import LESION_WORDS, lesion_values
from .outputs import OUTPUT_NAMES, Evaluation, listed, write_outputs
from .pairs import Pair, Pairing, Refusal
from .parts import GatheredEvaluation, gather_evaluation, has_parts, write_part
from .pictures import case_picture
from .recorded_run import JOURNAL, Recorded, journal_name, run_recorded
from .scores import ClassScore, Status, score_case
from .segment_work import SegmentAndScore
from .summary import ClassSummary, Summary, summarise
from .surface import Surface
from .tables import text_table, write_cases_csv, write_summary_json

__all__ = [
    "JOURNAL",
    "LESION_WORDS",
    "OUTPUT_NAMES",
    "CaseResult",
    "CaseWork",
    "ClassScore",
    "ClassSummary",
    "Evaluation",
    "EvaluationJournal",
    "GatheredEvaluation",
    "LabelMap",
    "Pair",
    "Pairing",
    "Recorded",
    "Refusal",
    "ScoreFiles",
    "ScoreHandler",
    "ScoreSettings",
    "SegmentAndScore",
    "Status",
    "StoredResults",
    "Summary",
    "Surface",
    "case_picture",
    "compare",
    "gather_evaluation",
    "has_parts",
    "journal_name",
    "labels_in",
    "labels_of",
    "lesion_values",
    "listed",
    "pairs",
    "provenance",
    "read_label_map",
    "read_result",
    "require_same_grid",
    "run_recorded",
    "score_case",
    "summarise",
    "text_rows",
    "text_table",
    "write_cases_csv",
    "write_comparison_json",
    "write_comparison_report",
    "write_outputs",
    "write_part",
    "write_summary_json",
]
