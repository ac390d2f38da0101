"""Edit: what is done to a lesion by a grey range or by millimetres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QCheckBox

from monai_unet.geometry import Box
from monai_unet.interaction.session import Change, EditSession
from napari_plugin.case import WARNING, Controller, Editing
from napari_plugin.panels.layout import NumberBox, Panel, button, one_line
from napari_plugin.viewer import shown_image

_FARTHEST = 1e7
_SAID = {"grow": "Grown by {mm:g} mm.", "shrink": "Shrunk by {mm:g} mm.", "smooth": "Smoothed over {mm:g} mm."}


class EditPanel(Panel):
    """A grey range for brush and threshold; grow, shrink and smooth; the label under the cursor."""

    def __init__(
        self,
        controller: Controller,
        editing: Editing,
        *,
        ask_region: Callable[[Callable[[Box], None]], None],
        selected: Callable[[], list[int]],
        take_label: Callable[[], None],
    ) -> None:
        """Args: `ask_region` lets the user draw a box; `selected` are the values of the lesions chosen."""
        super().__init__("Edit")
        self.controller, self.editing = controller, editing
        self._ask_region, self._selected = ask_region, selected
        self.low, self.high = self._grey("Lowest grey value"), self._grey("Highest grey value")
        self.limited = QCheckBox("Limit the brush to it")
        self.limited.setToolTip("The brush paints only where the series that is seen has a grey value in the range")
        self.threshold_button = button(
            "Threshold in a box",
            "Drag a box; what is in it, in the grey range and in no other lesion goes to the chosen one",
            self._threshold,
        )
        self.mm = NumberBox()
        self.mm.setRange(0.1, 50.0)
        self.mm.setDecimals(1)
        self.mm.setValue(2.0)
        self.mm.setSuffix(" mm")
        self.mm.setAccessibleName("Millimetres")
        self.mm.setToolTip("How far to grow, shrink or smooth, in 3D")
        self.grow_button = button("Grow", "Grow the chosen lesions in 3D; others stay", lambda: self._reshape("grow"))
        self.shrink_button = button("Shrink", "Shrink the chosen lesions in 3D", lambda: self._reshape("shrink"))
        self.smooth_button = button("Smooth", "Smooth the chosen lesions in 3D", lambda: self._reshape("smooth"))
        self.label_button = button(
            "Lesion under the cursor",
            "Go on with the lesion that lies under the cursor; Ctrl+click in the picture does the same",
            take_label,
            name="take label",
        )
        self.add(one_line("Grey range, of the series that is seen"))
        self.add(self.low, self.high)
        self.add(self.limited)
        self.add(self.threshold_button)
        self.add(self.mm, self.grow_button, self.shrink_button, self.smooth_button, stretch=(5, 4, 4, 5))
        self.add(self.label_button)
        controller.reference_changed.connect(self._on_case)

    def allowed(self, box: Box) -> NDArray[np.bool_] | None:
        """Where in a box (S, A, R) the brush may paint; None: anywhere."""
        return self._in_range(box) if self.limited.isChecked() else None

    def _in_range(self, box: Box) -> NDArray[np.bool_] | None:
        image = shown_image(self.controller.viewer)
        if not any(image is known for known in self.controller.images):
            # what lies on other voxels says nothing about these
            image = self.controller.reference
        if image is None:
            return None
        low, high = sorted((self.low.value(), self.high.value()))
        part = image.array[box]
        return np.asarray((part >= low) & (part <= high))

    def _on_case(self) -> None:
        """Another image has other grey values."""
        self.limited.setChecked(False)
        image = self.controller.reference
        layer = self.controller.layer_of(image) if image is not None else None
        if layer is not None:
            for made, value in zip((self.low, self.high), layer.contrast_limits, strict=True):
                made.setValue(float(value))

    def _threshold(self) -> None:
        if self.editing.session is None:
            self.controller.say("Open an image first.", WARNING)
            return
        self.controller.say("Drag a box around it in any plane; it is as deep as it is long.")
        self._ask_region(self._fill)

    def _fill(self, box: Box) -> None:
        inside, session = self._in_range(box), self.editing.session
        if inside is None or session is None:
            return
        value = self.editing.active or self.editing.new_object()
        if value:
            name = session.object(value).name
            said = f"What lies in the box and in the range belongs to {name}; Ctrl+Z takes it back."
            self.editing.do(lambda session: session.paint_where(value, box, inside), said)

    def _reshape(self, verb: str) -> None:
        mm, values = self.mm.value(), self._selected()
        if not values:
            self.controller.say("Choose a lesion in the table first.", WARNING)
        for value in values:

            def one(session: EditSession, value: int = value) -> Change:
                if verb == "smooth":
                    return session.smooth(value, mm)
                return session.grow(value, mm if verb == "grow" else -mm)

            self.editing.do(one, _SAID[verb].format(mm=mm))

    def _grey(self, name: str) -> NumberBox:
        made = NumberBox()
        made.setRange(-_FARTHEST, _FARTHEST)
        made.setDecimals(1)
        made.setAccessibleName(name)
        made.setToolTip(f"{name} of the range, in the unit of the image (HU in CT)")
        return made
