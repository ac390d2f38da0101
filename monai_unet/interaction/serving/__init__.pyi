from .marks import lassos_in, scribbles_in
from .served_case import ServedCase
from .server import PromptServer, serve
from .settings import ServeSettings, check_settings, read_settings

__all__ = [
    "PromptServer",
    "ServeSettings",
    "ServedCase",
    "check_settings",
    "lassos_in",
    "read_settings",
    "scribbles_in",
    "serve",
]
