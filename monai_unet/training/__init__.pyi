from .augmentation import ct_intensities, mr_intensities, patch_of_a_class
from .batch import training_batch
from .budget import TimeBudget, budget_schedule
from .checkpoint import TrainingCheckpoint, exit_if_stopped
from .distributed import leave_process_group
from .early_stop import EarlyStop
from .history import History
from .losses import build_loss
from .mixed_precision import BFloat16Inferer
from .regions import mean_region_dice, region_loss
from .repeated import RepeatedCases
from .reproducible import EpochSampler, SeededDataset, training_loader
from .schedule import warmup_polynomial
from .step import StepControl
from .synthetic_cases import SyntheticCases
from .tumour_heads import TumourHeads
from .validated_end import ValidationToTheEnd
from .validation import LabelDice, mean_class_dice
from .watched import LOG, Epoch, end, last_epoch, last_line, watched_run
from .weight_average import WeightAverage

__all__ = [
    "LOG",
    "BFloat16Inferer",
    "EarlyStop",
    "Epoch",
    "EpochSampler",
    "History",
    "LabelDice",
    "RepeatedCases",
    "SeededDataset",
    "StepControl",
    "SyntheticCases",
    "TimeBudget",
    "TrainingCheckpoint",
    "TumourHeads",
    "ValidationToTheEnd",
    "WeightAverage",
    "budget_schedule",
    "build_loss",
    "ct_intensities",
    "end",
    "exit_if_stopped",
    "last_epoch",
    "last_line",
    "leave_process_group",
    "mean_class_dice",
    "mean_region_dice",
    "mr_intensities",
    "patch_of_a_class",
    "region_loss",
    "training_batch",
    "training_loader",
    "warmup_polynomial",
    "watched_run",
]
