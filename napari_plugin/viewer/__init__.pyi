from .canvases import SideCanvases
from .click_check import clicks_land_true
from .compile_ahead import compile_ahead
from .events import MouseEvent
from .hanging import (
    METADATA,
    go_to,
    hang,
    image_layer,
    plane_of,
    show_between,
    show_plane,
    shown_image,
    upright,
    widen_contrast_range,
)
from .label_pick import LabelPick
from .layers import MOVED
from .marks import EXCLUDE, INCLUDE
from .own_layers import hold_in_place
from .planes import SidePlanes
from .readout import Readout
from .tool_state import Tool, ToolState
from .tools import TOOLS, PromptTool
from .view import CaseView
from .window_drag import WindowDrag
from .windows import AUTOMATIC, CT_WINDOWS, OWN_WINDOWS, is_ct, limits_of

__all__ = [
    "AUTOMATIC",
    "CT_WINDOWS",
    "EXCLUDE",
    "INCLUDE",
    "METADATA",
    "MOVED",
    "OWN_WINDOWS",
    "TOOLS",
    "CaseView",
    "LabelPick",
    "MouseEvent",
    "PromptTool",
    "Readout",
    "SideCanvases",
    "SidePlanes",
    "Tool",
    "ToolState",
    "WindowDrag",
    "clicks_land_true",
    "compile_ahead",
    "go_to",
    "hang",
    "hold_in_place",
    "image_layer",
    "is_ct",
    "limits_of",
    "plane_of",
    "show_between",
    "show_plane",
    "shown_image",
    "upright",
    "widen_contrast_range",
]
