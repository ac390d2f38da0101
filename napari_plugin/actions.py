"""What each key of the dock does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from monai_unet.geometry import PLANES
from napari_plugin.viewer import AUTOMATIC, CT_WINDOWS

if TYPE_CHECKING:
    from napari_plugin.widget import Dock


def actions_of(dock: Dock) -> dict[str, Callable[[], object]]:
    """Name in the table of `shortcuts` → what it calls."""
    # never the click of a button: that of a hidden tab does nothing while it is disabled
    actions: dict[str, Callable[[], object]] = {n: partial(dock.case.show_plane, n) for n in PLANES}
    actions |= {kind: partial(dock.refine.take, kind) for kind in dock.refine.tools if kind != "pan"}
    for name in (AUTOMATIC, *CT_WINDOWS):
        actions[f"window {name}"] = partial(dock.case.set_window, name)
    return actions | {
        "smaller": partial(dock.tools.step_brush, -1),
        "larger": partial(dock.tools.step_brush, 1),
        "planes": dock.canvases.toggle_planes,
        "napari": dock.toggle_controls,
        "segment": dock.model.segment,
        "cancel": dock.escape,
        "sign": dock.refine.toggle_sign,
        "accept": dock.editing.accept,
        "drop": dock.editing.drop,
        "undo": dock.editing.undo,
        "redo": dock.editing.redo,
        "new object": dock.editing.new_object,
        "hide": dock.view.toggle_labels,
        "take label": lambda: dock.label_pick.take(dock.readout.place),
        "fill between": dock.findings.fill_between,
        "uncertain": dock.next_uncertain,
        "save": dock.save.open_menu,
    }
