"""The panels of which one is seen at a time, as tabs; what has to be read comes forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QScrollArea, QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from napari_plugin.panels.layout import Panel
from napari_plugin.settings import remember, setting

_FRAME = 14


class Tabs(QTabWidget):
    """As high as the highest panel, whatever is shown in it: nothing below moves.

    A panel that shows more than usual (a licence to read), or a window lower than 800 pixels, scrolls within its tab.
    """

    def __init__(self, panels: Sequence[Panel], *, highest: Panel) -> None:
        super().__init__()
        self.panels, self._highest = tuple(panels), highest
        for panel in panels:
            page = QWidget()
            rows = QVBoxLayout(page)
            rows.setContentsMargins(0, 0, 0, 0)
            rows.addWidget(panel)
            rows.addStretch(1)
            area = QScrollArea()
            area.setWidget(page)
            area.setWidgetResizable(True)
            area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            area.setFrameShape(QScrollArea.Shape.NoFrame)
            self.addTab(area, panel.name)
            panel.wanted.connect(self._bringer(panel))
        self.setDocumentMode(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        names = [panel.name for panel in panels]
        last = str(setting("tab"))
        self.setCurrentIndex(names.index(last) if last in names else 0)
        self.currentChanged.connect(lambda index: remember("tab", names[index]))

    def show_panel(self, panel: Panel) -> None:
        """Bring a panel's tab forward."""
        self.setCurrentIndex(self.panels.index(panel))

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(
            super().sizeHint().width(), self._highest.sizeHint().height() + self.tabBar().sizeHint().height() + _FRAME
        )

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(0, self.tabBar().sizeHint().height() + 60)

    def _bringer(self, panel: Panel) -> Callable[[], None]:
        return lambda: self.show_panel(panel)
