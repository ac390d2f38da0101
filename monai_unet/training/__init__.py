"""Training beyond MONAI and ignite: reproducible data, losses, handlers that every bundle names."""

from monai_unet.training.averaging import WeightAverage
from monai_unet.training.checkpoint import TrainingCheckpoint
from monai_unet.training.handlers import exit_if_stopped, load_weights, training_handlers
from monai_unet.training.losses import build_loss
from monai_unet.training.reproducible import EpochSampler, SeededDataset, training_loader
from monai_unet.training.schedule import warmup_polynomial
from monai_unet.training.validation import mean_class_dice

__all__ = [
    "EpochSampler",
    "SeededDataset",
    "TrainingCheckpoint",
    "WeightAverage",
    "build_loss",
    "exit_if_stopped",
    "load_weights",
    "mean_class_dice",
    "training_handlers",
    "training_loader",
    "warmup_polynomial",
]
