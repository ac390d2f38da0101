"""The thin bar above the status line."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QProgressBar

HEIGHT = 10
PULSE_MS = 500


class ProgressBar(QProgressBar):
    """Steps done of a known number, or a pulse twice a second where the number is not known.

    Qt's own busy bar moves up to sixty times a second, and each time the whole window with its canvases is put together
    anew: without a graphics card that takes more of the processor than reading a CT does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setMaximumHeight(HEIGHT)
        self.setTextVisible(False)
        self._pulse = QTimer(self)
        self._pulse.setInterval(PULSE_MS)
        self._pulse.timeout.connect(lambda: self.setValue((self.value() + 1) % 3))
        self.show_step(0, -1)

    def show_step(self, done: int, total: int) -> None:
        """Show `done` of `total` steps; a total of 0 is not known, one below 0 means that nothing runs."""
        self.setRange(0, total if total > 0 else 2)
        self.setValue(done)
        self.setVisible(total >= 0)
        if total == 0:
            self._pulse.start()
        else:
            self._pulse.stop()
