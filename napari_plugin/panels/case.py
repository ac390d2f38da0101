"""Case: open a study, choose its series, plane and window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QComboBox, QFileDialog, QListWidget, QListWidgetItem

from monai_unet.geometry import PLANES
from monai_unet.io import plain
from monai_unet.io.datasets import Entry
from monai_unet.io.formats import VOLUME_SUFFIXES
from napari_plugin.case import Controller, details, refusal, title
from napari_plugin.panels.layout import Panel, button, sentence, tip
from napari_plugin.panels.pacs import PacsPicker
from napari_plugin.settings import remember, setting
from napari_plugin.shortcuts import key_of
from napari_plugin.viewer import (
    AUTOMATIC,
    CT_WINDOWS,
    OWN_WINDOWS,
    limits_of,
    plane_of,
    show_between,
    show_plane,
    shown_image,
    upright,
)

_ENTRY = Qt.ItemDataRole.UserRole
_NOTHING = "Open a study, drop it here, or try File > Open Sample."


class CasePanel(Panel):
    """Open buttons, the series of the study (tick one to add it), planes and windows."""

    def __init__(
        self, controller: Controller, toggle_planes: Callable[[], None], toggle_series: Callable[[], None]
    ) -> None:
        super().__init__("Case")
        self.controller = controller
        self.file_button = button("Open file…", "Open a NIfTI, NRRD, MHA or DICOM file, or a zip", self._ask_file)
        self.folder_button = button("Open folder…", "Open a folder with a DICOM study", self._ask_folder)
        self.pacs = PacsPicker(controller)
        self.pacs_button = button("PACS…", "Find a study in a PACS and fetch it (network)", self.pacs.open)
        self.series = QListWidget()
        self.series.setToolTip("Double click or Return: show this series. Tick: show it together with the first.")
        # a long name is cut, and its tooltip has all of it; a bar would hide the last row
        self.series.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.series.itemDoubleClicked.connect(self._replace_by)
        by_key = QShortcut(QKeySequence(Qt.Key.Key_Return), self.series)
        by_key.setContext(Qt.ShortcutContext.WidgetShortcut)
        by_key.activated.connect(lambda: self._replace_by(self.series.currentItem()))
        self.series.itemChanged.connect(self._on_ticked)
        self.geometry_line = sentence(_NOTHING)
        self.plane_buttons = {
            name: button(name.capitalize(), f"Show the {name} plane", self._shower(name), name=name, checkable=True)
            for name in PLANES
        }
        self.planes_button = button(
            "Three planes", "Show the other two planes beside it, linked", toggle_planes, name="planes", checkable=True
        )
        self.side_by_side = button(
            "Side by side", "Show each ticked series in a canvas of its own, linked", toggle_series, checkable=True
        )
        self.grey_window = QComboBox()
        self.grey_window.setToolTip("Grey-level window of the series that is seen; right or middle drag changes it")
        for name in (AUTOMATIC, *OWN_WINDOWS, *CT_WINDOWS):
            self.grey_window.addItem(f"Window: {name}  {key_of(f'window {name}')}", name)
        self.grey_window.activated.connect(lambda index: self.set_window(self.grey_window.itemData(index)))
        self.add(self.file_button, self.folder_button, self.pacs_button, stretch=(3, 3, 2))
        self.add(self.pacs)
        self.add(self.series)
        self.add(self.geometry_line)
        self.add(*self.plane_buttons.values())
        self.add(self.planes_button, self.side_by_side)
        self.add(self.grey_window)
        controller.entries_changed.connect(self._list)
        controller.images_changed.connect(self._list)
        # another image is opened in its automatic window
        controller.reference_changed.connect(lambda: self.grey_window.setCurrentIndex(0))
        events = controller.viewer.dims.events, controller.viewer.scene.camera.events
        self._turned = (events[0].order, events[0].ndisplay, events[1].orientation)
        for emitter in self._turned:
            emitter.connect(self._mark_plane)
        self._list()
        self._mark_plane()

    def show_plane(self, name: str) -> None:
        """Show a plane in the main canvas."""
        show_plane(self.controller.viewer, name, keep_zoom=True)
        self._mark_plane()

    def set_window(self, name: str) -> None:
        """Apply a window to the series that is seen; each keeps its own."""
        self.grey_window.setCurrentIndex(self.grey_window.findData(name))
        image = shown_image(self.controller.viewer) or self.controller.reference
        layer = self.controller.layer_of(image) if image is not None else None
        if image is None or layer is None:
            return
        show_between(layer, limits_of(name, image.array, image.modality, image.grid.spacing))
        if name in CT_WINDOWS and image.modality not in ("", "CT"):
            self.controller.say(
                f"The window '{name}' is in Hounsfield units, and {image.name} is {image.modality}; automatic fits it.",
                "warning",
            )

    def release(self) -> None:
        """Let go of the viewer."""
        for emitter in self._turned:
            emitter.disconnect(self._mark_plane)

    def _shower(self, name: str) -> Callable[[], None]:
        return lambda: self.show_plane(name)

    def _mark_plane(self, event: object = None) -> None:
        viewer = self.controller.viewer
        shown = plane_of(viewer).name if upright(viewer) else ""
        for name, made in self.plane_buttons.items():
            made.setChecked(name == shown)

    def _list(self) -> None:
        shown = [image.entry for image in self.controller.images]
        self.series.blockSignals(True)
        self.series.clear()
        for entry in self.controller.entries:
            item = QListWidgetItem(("⚠ " if entry.problems else "") + plain(title(entry)))
            item.setData(_ENTRY, entry)
            item.setToolTip(tip(details(entry)))
            flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
            item.setFlags(flags if entry.problems else flags | Qt.ItemFlag.ItemIsUserCheckable)
            if not entry.problems:
                item.setCheckState(Qt.CheckState.Checked if entry in shown else Qt.CheckState.Unchecked)
            self.series.addItem(item)
        self.series.blockSignals(False)
        rows = min(self.series.count(), 5)
        self.series.setFixedHeight(rows * max(self.series.sizeHintForRow(0), 1) + 6)
        self.series.setVisible(rows > 0)
        self.side_by_side.setEnabled(len(shown) > 1)
        self._describe()

    def _describe(self) -> None:
        image = self.controller.reference
        if image is None:
            self.geometry_line.setText(_NOTHING)
            self.geometry_line.setToolTip("")
            return
        grid = image.grid
        size, mm = "×".join(map(str, grid.shape[::-1])), "×".join(f"{s:.3g}" for s in grid.spacing[::-1])
        self.geometry_line.setText(f"{plain(image.name)}  {plain(image.modality)} {size}, {mm} mm {image.entry.plane}")
        self.geometry_line.setToolTip(tip(details(image.entry)))

    def _replace_by(self, item: QListWidgetItem | None) -> None:
        if item is None:
            return
        entry: Entry = item.data(_ENTRY)
        if entry.problems:
            self.controller.say(refusal(entry), "error")
        else:
            self.controller.open_entry(entry)

    def _on_ticked(self, item: QListWidgetItem) -> None:
        entry: Entry = item.data(_ENTRY)
        reference = self.controller.reference
        if item.checkState() == Qt.CheckState.Checked:
            self.controller.add_entry(entry)
        elif reference is not None and entry == reference.entry:
            self._list()
            self.controller.say("The segmentation lies on this series; double click another one to replace it.")
        else:
            self.controller.remove_entry(entry)

    def _ask_file(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in (*VOLUME_SUFFIXES, ".dcm", ".zip"))
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a volume", str(setting("folder")), f"Volumes ({patterns});;All files (*)"
        )
        self._open(path)

    def _ask_folder(self) -> None:
        self._open(QFileDialog.getExistingDirectory(self, "Open a DICOM study", str(setting("folder"))))

    def _open(self, path: str) -> None:
        if path:
            remember("folder", str(Path(path).parent))
            self.controller.open_paths([path])
