from .component_rules import read_rules
from .importing import Imported, import_nnunet
from .model_folder import ModelFolder, opened_model
from .model_plan import ModelPlan, read_model_plan
from .weights_map import read_checkpoint

__all__ = [
    "Imported",
    "ModelFolder",
    "ModelPlan",
    "import_nnunet",
    "opened_model",
    "read_checkpoint",
    "read_model_plan",
    "read_rules",
]
