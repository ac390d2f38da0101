"""Save: the result in the form that the next one needs, and masks from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QInputDialog, QMenu, QPushButton

from monai_unet.errors import InputError
from monai_unet.io import RESEARCH_USE
from monai_unet.io.dicom.network import Server
from napari_plugin.case import WARNING, Editing, exporting, once, pacs, prompted_by, save_html
from napari_plugin.panels.layout import Panel, button
from napari_plugin.settings import remember, setting

MASK, SEG, RTSTRUCT, SR, TABLE, PAGE, TRAINING = "mask", "SEG", "RTSTRUCT", "SR", "table", "page", "training"
VIEWERS = "viewers"
_SEND = "Send DICOM results to a PACS…"
KINDS: dict[str, tuple[str, str, str, Callable[[exporting.EditedCase, Path], list[Path]]]] = {
    MASK: ("Mask (NIfTI, NRRD, MHA)…", "_mask.nii.gz", "Masks (*.nii.gz *.nii *.nrrd *.mha)", exporting.save_mask),
    SEG: ("DICOM SEG…", "_seg.dcm", "DICOM (*.dcm)", exporting.save_seg),
    RTSTRUCT: ("DICOM RTSTRUCT…", "_rtstruct.dcm", "DICOM (*.dcm)", exporting.save_rtstruct),
    SR: ("DICOM report with measurements (SR)…", "_report.dcm", "DICOM (*.dcm)", exporting.save_sr),
    VIEWERS: ("DICOM for any viewer (a folder)…", "_results", "Folders (*)", pacs.save_for_viewers),
    TABLE: ("Table of measurements (CSV)…", "_findings.csv", "Tables (*.csv)", exporting.save_csv),
    PAGE: ("Summary page with pictures (HTML)…", "_summary.html", "Pages (*.html)", save_html),
}


class SavePanel(Panel):
    """A menu of formats; saving runs in the background from a snapshot."""

    def __init__(self, editing: Editing, next_uncertain: Callable[[], None]) -> None:
        super().__init__("Save")
        self.editing = editing
        self.menu = QMenu(self)
        self.actions_of = {kind: self.menu.addAction(title, self._asker(kind)) for kind, (title, *_) in KINDS.items()}
        self.menu.addSeparator()
        self.menu.addAction("Add to a training set…", self._ask_training)
        self.send_action = self.menu.addAction(_SEND, self._ask_pacs)
        self.button = button("Save…", f"Save the result. {RESEARCH_USE}", self.open_menu, name="save")
        self.load_button = button("Load mask…", "Go on with a mask, SEG or RTSTRUCT of this image", self._ask_mask)
        self.uncertain = button(
            "Next uncertain place", "Go to the next place where the model is unsure", next_uncertain, name="uncertain"
        )
        self.add(self.button, self.load_button, stretch=(3, 2))
        self.add(self.uncertain)
        self.uncertain.setVisible(False)

    def save(self, kind: str, path: Path) -> None:
        """Save in one of `KINDS`, or to a training set, in the background."""
        outcome = self._outcome()
        if outcome is None:
            return
        writer = exporting.save_for_training if kind == TRAINING else KINDS[kind][3]
        editing, saved = self.editing, self.editing.session
        steps = editing.steps

        def done(paths: list[Path]) -> None:
            if editing.session is saved and editing.steps == steps:
                editing.unsaved = False
            names = " and ".join(path.name for path in paths)
            editing.controller.say(f"Saved {names} in {paths[0].parent}.")

        editing.controller.say(f"Saving {path.name} …")
        editing.controller.run(once(lambda: writer(outcome, path)), done=done)

    def send(self, server: Server) -> None:
        """Send SEG, SR and what every viewer shows to a PACS, in the background from a snapshot."""
        outcome = self._outcome()
        if outcome is None:
            return
        controller = self.editing.controller
        controller.say(f"Sending to {server.name} …")
        controller.run(
            lambda: pacs.send(outcome, server),
            done=controller.say,
            progress=lambda step: controller.progressed.emit(*step),
            stopped="Stopped; look in the PACS what has arrived.",
        )

    def load(self, path: Path) -> None:
        """Replace the segmentation by a mask from a file, as one step that undo takes back."""
        editing, image = self.editing, self.editing.controller.reference
        if image is None:
            editing.controller.say("Open the image first that the mask was drawn on.", WARNING)
            return

        def done(found: tuple[Any, list[Any]]) -> None:
            if editing.import_labels(found[0], found[1], f"load {path.name}", {}):
                editing.controller.say(f"{path.name} is loaded; Ctrl+Z takes it back.")

        editing.controller.say(f"Reading {path.name} …")
        session = editing.session
        editing.controller.run(
            once(lambda: exporting.load_mask(path, image)), done=done, current=lambda: editing.session is session
        )

    def _outcome(self) -> exporting.EditedCase | None:
        session, image = self.editing.session, self.editing.controller.reference
        if self._refused() or session is None or image is None:
            return None
        notes = dict.fromkeys(note for shown in self.editing.controller.images for note in shown.notes)
        names = {shown.key: shown.name for shown in self.editing.controller.images}
        return exporting.EditedCase(
            image,
            session.labels.copy(),
            session.objects,
            self.editing.made_by,
            tuple(notes),
            prompted_by(session, names),
        )

    def _refused(self) -> bool:
        """Whether nothing can be saved now, which is said."""
        session, said = self.editing.session, ""
        if session is None or self.editing.controller.reference is None:
            said = "There is nothing to save yet; open an image first."
        elif session.candidate is not None:
            said = "An outline is still open: accept (U) or drop (Shift+U) it first."
        elif not session.labels.any():
            said = "There is nothing to save yet; segment or paint a lesion first."
        if said:
            self.editing.controller.say(said, WARNING)
        return bool(said)

    def open_menu(self) -> None:
        """Show what can be saved; what cannot is said before a file is named."""
        if self._refused():
            return
        image = self.editing.controller.reference
        refers = image is not None and bool(image.entry.series)
        self.send_action.setEnabled(refers)
        self.send_action.setText(_SEND if refers else f"{_SEND}  (needs DICOM images)")
        for kind in (SEG, RTSTRUCT, SR, VIEWERS):
            self.actions_of[kind].setEnabled(refers)
            self.actions_of[kind].setText(KINDS[kind][0] if refers else f"{KINDS[kind][0]}  (needs DICOM images)")
        made: QPushButton = self.button
        self.menu.popup(made.mapToGlobal(made.rect().topLeft()))

    def _asker(self, kind: str) -> Callable[[], None]:
        def ask() -> None:
            title, ending, pattern, _ = KINDS[kind]
            image = self.editing.controller.reference
            start = (
                Path(str(setting("save_folder") or setting("folder")))
                / f"{image.name if image is not None else 'case'}{ending}"
            )
            path, _ = QFileDialog.getSaveFileName(self, title.rstrip("…"), str(start), pattern)
            if path:
                remember("save_folder", str(Path(path).parent))
                self.save(kind, Path(path))

        return ask

    def _ask_training(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the training set", str(setting("folder")))
        if folder:
            self.save(TRAINING, Path(folder))

    def _ask_pacs(self) -> None:
        try:
            found = pacs.servers()
        except InputError as error:
            self.editing.controller.fail(str(error))
            return
        name, agreed = QInputDialog.getItem(
            self, "Send to a PACS", "Which PACS gets the results?", list(found), 0, False
        )
        if agreed:
            self.send(found[name])

    def _ask_mask(self) -> None:
        pattern = "Masks (*.nii *.nii.gz *.nrrd *.mha *.dcm);;All files (*)"
        path, _ = QFileDialog.getOpenFileName(self, "Load a mask", str(setting("folder")), pattern)
        if path:
            self.load(Path(path))
