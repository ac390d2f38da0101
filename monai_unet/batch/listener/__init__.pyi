from .audit import Audit
from .rules import ListenFile, ListenSettings, Rule, read_listen_settings
from .service import Listener
from .spool import Spool, Stored

__all__ = [
    "Audit",
    "ListenFile",
    "ListenSettings",
    "Listener",
    "Rule",
    "Spool",
    "Stored",
    "read_listen_settings",
]
