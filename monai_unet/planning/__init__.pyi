from .case_fingerprint import CaseFingerprint, CaseReading
from .fingerprint import (
    FINGERPRINT_FILE,
    ChannelOfSet,
    ClassOfSet,
    Fingerprint,
    Spread,
    changes_since,
    read_fingerprint,
)
from .split import SPLIT_FILE, Split, kept_split, make_folds, make_split, validation_part
from .taking import take_fingerprint

__all__ = [
    "FINGERPRINT_FILE",
    "SPLIT_FILE",
    "CaseFingerprint",
    "CaseReading",
    "ChannelOfSet",
    "ClassOfSet",
    "Fingerprint",
    "Split",
    "Spread",
    "changes_since",
    "kept_split",
    "make_folds",
    "make_split",
    "read_fingerprint",
    "take_fingerprint",
    "validation_part",
]
