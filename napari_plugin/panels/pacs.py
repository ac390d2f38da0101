"""The PACS within box 1: find a study, fetch it, open it. Shown when it is asked for."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QComboBox, QFileDialog, QLineEdit, QVBoxLayout, QWidget

from monai_unet.errors import InputError
from monai_unet.io import plain
from monai_unet.io.dicom.network import FoundStudy, Server, StudyQuery
from napari_plugin.case import Controller, once, pacs
from napari_plugin.panels.layout import button, row
from napari_plugin.settings import remember, setting


class PacsPicker(QWidget):
    """Fields to search by, the studies that were found, and a button to fetch one; hidden until `open`."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.server = _choice("Which PACS")
        self.patient = _field("Patient id", "The patient's identifier")
        self.date = _field("Date", "YYYYMMDD, or YYYYMMDD-YYYYMMDD")
        self.modality = _field("Modality", "Of a series of the study, for example MR")
        self.studies = _choice("Studies that were found")
        self.find_button = button("Find", "Look for studies in the PACS", self.search)
        self.fetch_button = button("Fetch…", "Copy this study into a folder, whole, and open it", self._ask_folder)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.server)
        column.addWidget(row(self.patient, self.date, self.modality, stretch=(3, 4, 2)))
        column.addWidget(row(self.find_button, self.fetch_button))
        column.addWidget(self.studies)
        for entered in (self.patient, self.date, self.modality):
            entered.returnPressed.connect(self.search)
        self.hide()

    def open(self) -> None:
        """Read the settings and show the fields; pressed again, hide them."""
        parent = self.parentWidget()
        if parent is not None and self.isVisibleTo(parent):
            self.hide()
            return
        try:
            found = pacs.servers()
        except InputError as error:
            self.controller.fail(str(error))
            return
        self.server.clear()
        for name, server in found.items():
            self.server.addItem(plain(name), server)
        self.studies.clear()
        self.show()

    def search(self) -> None:
        """Look for studies; those that were found before go at once."""
        self.studies.clear()
        server: Server | None = self.server.currentData()
        if server is None:
            return
        words = (self.patient.text().strip(), self.date.text().strip(), self.modality.text().strip())
        try:
            query = StudyQuery(patient_id=words[0], date=words[1], modality=words[2])
        except InputError as error:
            self.controller.fail(str(error))
            return
        self.controller.say(f"Asking {server.name} …")
        self.controller.run(
            once(lambda: pacs.find(server, query)),
            done=self._show,
            current=lambda: self.server.currentData() is server,
        )

    def fetch(self, folder: Path) -> None:
        """Fetch the chosen study into a folder below this one, and open it."""
        server: Server | None = self.server.currentData()
        study: FoundStudy | None = self.studies.currentData()
        if server is None or study is None:
            self.controller.say("Find a study first, and choose it.")
            return
        self.controller.say(f"Fetching from {server.name} …")
        self.controller.run(
            lambda: pacs.fetch(server, study.uid, folder),
            done=self._got,
            progress=self._progress,
            stopped="Stopped; nothing of the study was kept.",
        )

    def _show(self, found: list[FoundStudy]) -> None:
        for study in found:
            images = "" if study.images is None else f"{study.images} images"
            words = [study.date, " ".join(study.modalities), study.description, images]
            self.studies.addItem(plain("  ".join(filter(None, words))), study)
        said = f"{len(found)} studies; choose one and press Fetch." if found else "Nothing was found."
        self.controller.say(said)

    def _progress(self, step: tuple[int, int]) -> None:
        done, total = step
        self.controller.progressed.emit(done, total)
        self.controller.say(f"Fetching: {done}{f' of {total}' if total else ''} images; Cancel keeps none.")

    def _got(self, folder: Path) -> None:
        self.hide()
        self.controller.open_paths([folder])

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for studies", str(setting("folder")))
        if folder:
            remember("folder", folder)
            self.fetch(Path(folder))


def _field(name: str, tip: str) -> QLineEdit:
    made = QLineEdit()
    made.setPlaceholderText(name)
    made.setToolTip(tip)
    made.setAccessibleName(name)
    made.setMinimumWidth(24)
    return made


def _choice(name: str) -> QComboBox:
    made = QComboBox()
    made.setToolTip(name)
    made.setAccessibleName(name)
    made.setMinimumContentsLength(8)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return made
