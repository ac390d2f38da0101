"""Training beyond MONAI and ignite: reproducible data, losses, handlers that every bundle names."""

from monai_unet.training.augmentation import ct_intensities, mr_intensities, patch_of_a_class
from monai_unet.training.batch import training_batch
from monai_unet.training.budget import TimeBudget, budget_schedule
from monai_unet.training.checkpoint import TrainingCheckpoint, exit_if_stopped
from monai_unet.training.early_stop import EarlyStop
from monai_unet.training.history import History
from monai_unet.training.losses import build_loss
from monai_unet.training.mixed_precision import BFloat16Inferer
from monai_unet.training.regions import mean_region_dice, region_loss
from monai_unet.training.repeated import RepeatedCases
from monai_unet.training.reproducible import EpochSampler, SeededDataset, training_loader
from monai_unet.training.schedule import warmup_polynomial
from monai_unet.training.step import StepControl
from monai_unet.training.synthetic_cases import SyntheticCases
from monai_unet.training.tumour_heads import TumourHeads
from monai_unet.training.validation import mean_class_dice
from monai_unet.training.weight_average import WeightAverage

__all__ = [
    "BFloat16Inferer",
    "EarlyStop",
    "EpochSampler",
    "History",
    "RepeatedCases",
    "SeededDataset",
    "StepControl",
    "SyntheticCases",
    "TimeBudget",
    "TrainingCheckpoint",
    "TumourHeads",
    "WeightAverage",
    "budget_schedule",
    "build_loss",
    "ct_intensities",
    "exit_if_stopped",
    "mean_class_dice",
    "mean_region_dice",
    "mr_intensities",
    "patch_of_a_class",
    "region_loss",
    "training_batch",
    "training_loader",
    "warmup_polynomial",
]
