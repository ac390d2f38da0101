from .case import CasePanel
from .edit import EditPanel
from .findings import FindingsPanel
from .layout import sentence, tip
from .learn import LearnPanel
from .model import ModelPanel
from .recovery import RecoveryPanel
from .refine import RefinePanel, default_answerer, default_method
from .save import SavePanel
from .tabs import Tabs

__all__ = [
    "CasePanel",
    "EditPanel",
    "FindingsPanel",
    "LearnPanel",
    "ModelPanel",
    "RecoveryPanel",
    "RefinePanel",
    "SavePanel",
    "Tabs",
    "default_answerer",
    "default_method",
    "sentence",
    "tip",
]
