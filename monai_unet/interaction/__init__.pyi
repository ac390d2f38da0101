from .answering.registry import build_answerer
from .prompts import Answer, Answerer, Prompt, PromptKind
from .session.label_state import Change
from .session.objects import SegmentObject
from .session.question import Question, Reply, StaleReplyError
from .session.session import EditSession
from .simulated_user import Mark, first_box, first_lasso, next_click, scribble

__all__ = [
    "Answer",
    "Answerer",
    "Change",
    "EditSession",
    "Mark",
    "Prompt",
    "PromptKind",
    "Question",
    "Reply",
    "SegmentObject",
    "StaleReplyError",
    "build_answerer",
    "first_box",
    "first_lasso",
    "next_click",
    "scribble",
]
