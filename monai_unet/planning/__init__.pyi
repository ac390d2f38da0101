from .budget import Budget, budget_of, memory_of
from .case_fingerprint import CaseFingerprint, CaseReading
from .choose import Choice, choose, class_means, mean_of
from .configs import filled, inference_json, train_yaml
from .fine_tuning import FineTuning, fine_tune, fine_tuning_folder, plan_fine_tuning
from .fingerprint import (
    FINGERPRINT_FILE,
    ChannelOfSet,
    ClassOfSet,
    Fingerprint,
    Spread,
    changes_since,
    read_fingerprint,
)
from .folds import fold_runs, write_folds
from .make_plan import make_plan
from .plan import PLAN_FILE, Plan, PlannedChannel, PlannedClass, plan_of, read_plan
from .planned import Planned, plan_data_set
from .rules import CaseFacts, Sizes, sizes
from .split import SPLIT_FILE, Split, kept_split, make_folds, make_split, validation_part
from .taking import take_fingerprint
from .train import DONE, Trained, averaged_weights, choose_and_pack, train_run
from .trial import Trial, try_steps
from .workspace import FINAL, WHOLE, Workspace, write_lists
from .write_bundle import card, metadata, slug, write_bundle

__all__ = [
    "DONE",
    "FINAL",
    "FINGERPRINT_FILE",
    "PLAN_FILE",
    "SPLIT_FILE",
    "WHOLE",
    "Budget",
    "CaseFacts",
    "CaseFingerprint",
    "CaseReading",
    "ChannelOfSet",
    "Choice",
    "ClassOfSet",
    "FineTuning",
    "Fingerprint",
    "Plan",
    "Planned",
    "PlannedChannel",
    "PlannedClass",
    "Sizes",
    "Split",
    "Spread",
    "Trained",
    "Trial",
    "Workspace",
    "averaged_weights",
    "budget_of",
    "card",
    "changes_since",
    "choose",
    "choose_and_pack",
    "class_means",
    "filled",
    "fine_tune",
    "fine_tuning_folder",
    "fold_runs",
    "inference_json",
    "kept_split",
    "make_folds",
    "make_plan",
    "make_split",
    "mean_of",
    "memory_of",
    "metadata",
    "plan_data_set",
    "plan_fine_tuning",
    "plan_of",
    "read_fingerprint",
    "read_plan",
    "sizes",
    "slug",
    "take_fingerprint",
    "train_run",
    "train_yaml",
    "try_steps",
    "validation_part",
    "write_bundle",
    "write_folds",
    "write_lists",
]
