from .guidance import DrawnPrompts, network_input, obey, prompt_drawn
from .network import NetworkAnswerer
from .registry import CLASSICAL, build_answerer
from .window import ImageWindow

__all__ = [
    "CLASSICAL",
    "DrawnPrompts",
    "ImageWindow",
    "NetworkAnswerer",
    "build_answerer",
    "network_input",
    "obey",
    "prompt_drawn",
]
