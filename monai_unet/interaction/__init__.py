"""Prompts, guidance and the edit session behind interactive correction (no Qt)."""

from monai_unet.interaction.answerers import build_answerer
from monai_unet.interaction.label_state import Change
from monai_unet.interaction.objects import SegmentObject
from monai_unet.interaction.prompts import Answer, Answerer, Prompt
from monai_unet.interaction.question import Question, Reply, StaleReplyError
from monai_unet.interaction.session import EditSession

__all__ = [
    "Answer",
    "Answerer",
    "Change",
    "EditSession",
    "Prompt",
    "Question",
    "Reply",
    "SegmentObject",
    "StaleReplyError",
    "build_answerer",
]
