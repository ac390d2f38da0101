from .guidance import Marks, network_input, obey, prompt_drawn
from .network import NetworkAnswerer
from .registry import CLASSICAL, build_answerer
from .window import Window

__all__ = [
    "CLASSICAL",
    "Marks",
    "NetworkAnswerer",
    "Window",
    "build_answerer",
    "network_input",
    "obey",
    "prompt_drawn",
]
