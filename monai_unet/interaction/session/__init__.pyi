from .external import Atom
from .journal import JournalInfo, fingerprint, journal_info
from .label_state import values_in
from .objects import SegmentObject
from .session import Change, EditSession, Question, Reply, StaleReplyError

__all__ = [
    "Atom",
    "Change",
    "EditSession",
    "JournalInfo",
    "Question",
    "Reply",
    "SegmentObject",
    "StaleReplyError",
    "fingerprint",
    "journal_info",
    "values_in",
]
