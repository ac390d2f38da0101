from .case import CasePanel
from .findings import FindingsPanel
from .layout import remember_folds, sentence, tip
from .learn import LearnPanel
from .model import ModelPanel
from .recovery import RecoveryPanel
from .refine import RefinePanel, default_answerer, default_method
from .save import SavePanel

__all__ = [
    "CasePanel",
    "FindingsPanel",
    "LearnPanel",
    "ModelPanel",
    "RecoveryPanel",
    "RefinePanel",
    "SavePanel",
    "default_answerer",
    "default_method",
    "remember_folds",
    "sentence",
    "tip",
]
