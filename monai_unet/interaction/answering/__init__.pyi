from .guidance import Drawn, DrawnPrompts, network_input, obey, prompt_drawn
from .network import NetworkAnswerer
from .plausibility import first_answer_doubt
from .registry import CLASSICAL, build_answerer
from .window import ImageWindow

__all__ = [
    "CLASSICAL",
    "Drawn",
    "DrawnPrompts",
    "ImageWindow",
    "NetworkAnswerer",
    "build_answerer",
    "first_answer_doubt",
    "network_input",
    "obey",
    "prompt_drawn",
]
