"""The table of lesions: its columns, its rows, and how a number is written."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem

from monai_unet.interaction.session import SegmentObject
from monai_unet.measurement import Lesion
from napari_plugin.panels.icons import padlock, swatch
from napari_plugin.panels.layout import tip

_COLUMNS = ("Lesion", "ml", "mm", "mean", "", "Σ")
NAME, ML, AXES, MEAN, LOCK, TARGET = range(6)
_LEAST_HEIGHT = 96
_VALUE = Qt.ItemDataRole.UserRole


class LesionTable(QTableWidget):
    """One row for each object, and in italics one for each whole that classes of one tumour are parts of."""

    def __init__(self) -> None:
        super().__init__(0, len(_COLUMNS))
        self.setHorizontalHeaderLabels(_COLUMNS)
        self.setStyleSheet("font-size: 11px")
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(22)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        # as high as there is room
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        lock = QTableWidgetItem(padlock(), "")
        lock.setToolTip("Lock: nothing changes a locked lesion")
        self.setHorizontalHeaderItem(LOCK, lock)
        axes = self.horizontalHeaderItem(AXES)
        assert axes is not None
        axes.setToolTip("Long × short axis in mm (RECIST 1.1); * of one of several parts")
        target = self.horizontalHeaderItem(TARGET)
        assert target is not None
        target.setToolTip("Target lesion: its long axis counts in the sum")
        header = self.horizontalHeader()
        header.setMinimumSectionSize(20)
        for column in range(1, len(_COLUMNS)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self.setToolTip(
            "Click: go there. Double click: rename. Tick: show. Lock: protect from every change. Σ: count in the sum."
        )
        # a letter key is a tool's, wherever the focus is, and never begins to rename
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        # Tab leaves the table, arrows walk in it, Return goes to the lesion
        self.setTabKeyNavigation(False)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(super().sizeHint().width(), _LEAST_HEIGHT)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(super().minimumSizeHint().width(), _LEAST_HEIGHT)

    def fill_row(self, row: int, item: SegmentObject) -> None:
        """Name, ticks and places for the numbers of an object."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        name = QTableWidgetItem(swatch(item.color), item.name)
        name.setData(_VALUE, item.value)
        name.setFlags(flags | Qt.ItemFlag.ItemIsEditable | Qt.ItemFlag.ItemIsUserCheckable)
        name.setCheckState(Qt.CheckState.Checked if item.visible else Qt.CheckState.Unchecked)
        name.setToolTip(tip(f"{item.name} ({item.class_name or 'no class'})"))
        self.setItem(row, NAME, name)
        for column in (ML, AXES, MEAN):
            cell = QTableWidgetItem("…")
            cell.setFlags(flags)
            self.setItem(row, column, cell)
        lock = QTableWidgetItem()
        lock.setFlags(flags | Qt.ItemFlag.ItemIsUserCheckable)
        lock.setCheckState(Qt.CheckState.Checked if item.locked else Qt.CheckState.Unchecked)
        self.setItem(row, LOCK, lock)
        target = QTableWidgetItem()
        target.setFlags(flags | Qt.ItemFlag.ItemIsUserCheckable)
        target.setCheckState(Qt.CheckState.Checked if item.target else Qt.CheckState.Unchecked)
        self.setItem(row, TARGET, target)

    def fill_whole(self, row: int, name: str) -> None:
        """The same of a whole, which nothing is ticked of."""
        for column in range(len(_COLUMNS)):
            cell = QTableWidgetItem(name if column == NAME else "…" if column in (ML, AXES, MEAN) else "")
            cell.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            font = cell.font()
            font.setItalic(True)
            cell.setFont(font)
            cell.setData(_VALUE, 0)
            cell.setToolTip(tip(f"{name}: all its parts together"))
            self.setItem(row, column, cell)

    def value(self, row: int) -> int:
        """Label of the object in a row, 0 for a whole."""
        return int(self.cell(row, NAME).data(_VALUE))

    def cell(self, row: int, column: int) -> QTableWidgetItem:
        """What stands in a place."""
        found = self.item(row, column)
        assert found is not None
        return found


def numbers(lesion: Lesion | None) -> tuple[str, str, str]:
    """Volume in ml, axes in mm and mean of a lesion as they stand in the table."""
    if lesion is None:
        return "0", "", ""
    long, short = lesion.long_axis.length_mm, lesion.short_axis.length_mm
    mean = lesion.intensity_mean
    apart = "*" if lesion.parts > 1 else ""
    return written(lesion.volume_ml), f"{long:.0f}×{short:.0f}{apart}", "" if mean is None else written(mean)


def written(value: float) -> str:
    """At most two decimals and three digits, or all before the point: the column stays narrow."""
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"
