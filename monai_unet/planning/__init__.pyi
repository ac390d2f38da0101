from .budget import Budget, budget_of, memory_of
from .choose import Choice, choose, class_means, mean_of
from .configs import filled, inference_json, train_yaml
from .folds import fold_runs, write_folds
from .make_plan import make_plan
from .plan import PLAN_FILE, Plan, PlannedChannel, PlannedClass, plan_of, read_plan
from .planned import Planned, plan_data_set
from .rules import CaseFacts, Sizes, sizes
from .train import DONE, Trained, averaged_weights, choose_and_pack, train_run
from .trial import Trial, try_steps
from .workspace import FINAL, WHOLE, Workspace, write_lists
from .write_bundle import card, metadata, slug, write_bundle

__all__ = [
    "DONE",
    "FINAL",
    "PLAN_FILE",
    "WHOLE",
    "Budget",
    "CaseFacts",
    "Choice",
    "Plan",
    "Planned",
    "PlannedChannel",
    "PlannedClass",
    "Sizes",
    "Trained",
    "Trial",
    "Workspace",
    "averaged_weights",
    "budget_of",
    "card",
    "choose",
    "choose_and_pack",
    "class_means",
    "filled",
    "fold_runs",
    "inference_json",
    "make_plan",
    "mean_of",
    "memory_of",
    "metadata",
    "plan_data_set",
    "plan_of",
    "read_plan",
    "sizes",
    "slug",
    "train_run",
    "train_yaml",
    "try_steps",
    "write_bundle",
    "write_folds",
    "write_lists",
]
