"""The Model Zoo within the Model tab: fetch the list, choose a bundle, download it. Shown when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Generator

from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from monai_unet.bundle_format import Bundle
from monai_unet.bundle_format.zoo import Fetched, ZooModel, download, list_models
from monai_unet.io import plain
from napari_plugin.case import Controller, once
from napari_plugin.panels.layout import button

_STOPPED = "Stopped; nothing was installed. What was fetched is kept: Download goes on there."


class ZooPicker(QWidget):
    """A list of bundles with a button to download; hidden until `open`."""

    def __init__(self, controller: Controller, use: Callable[[Bundle], None]) -> None:
        """Args: `use` gets the bundle once it is on the disk."""
        super().__init__()
        self.controller, self._use = controller, use
        self.models = QComboBox()
        self.models.setToolTip("Bundles of MONAI's Model Zoo that segment volumes")
        self.models.setAccessibleName("Bundles of the Model Zoo")
        self.models.setMinimumContentsLength(8)
        self.models.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.get = button("Download", "Download this bundle; it runs only after you have allowed it", self._download)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.models)
        column.addWidget(self.get)
        self.hide()

    def open(self) -> None:
        """Fetch the list and show it; pressed again, hide it."""
        parent = self.parentWidget()
        if parent is not None and self.isVisibleTo(parent):
            self.hide()
            return
        self.controller.say("Asking MONAI's Model Zoo what there is …")
        self.controller.run(once(list_models), done=self._show)

    def _show(self, models: list[ZooModel]) -> None:
        self.models.clear()
        for model in models:
            self.models.addItem(
                plain("  ".join(filter(None, [model.name, model.version or "newest", model.licence]))), model
            )
        self.setVisible(bool(models))
        self.controller.say(f"{len(models)} models; choose one, press Download. Its licence is shown before it runs.")

    def _download(self) -> None:
        model: ZooModel | None = self.models.currentData()
        if model is None:
            return

        wanted = f"{model.name}@{model.version}" if model.version else model.name

        def work() -> Generator[tuple[int, int], None, Fetched]:
            return (yield from download(wanted))

        self.controller.say(f"Downloading {model.name} …")
        self.controller.run(work, done=self._got, progress=self._progress, stopped=_STOPPED)

    def _progress(self, step: tuple[int, int]) -> None:
        done, total = step
        self.controller.progressed.emit(done >> 10, total >> 10)
        of = f" of {total / 1e6:.0f}" if total else ""
        self.controller.say(f"Downloading: {done / 1e6:.0f}{of} MB")

    def _got(self, fetched: Fetched) -> None:
        self.hide()
        self._use(fetched.bundle)
        said = [f"'{fetched.bundle.name}' {fetched.version} is here; read its licence, then allow it.", *fetched.notes]
        self.controller.say(" ".join(said))
