"""The dock's PACS: a study found, fetched, opened; its results sent back; faults said in the status line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_phantom import Phantom, write_phantom
from orthanc import Orthanc, needs_orthanc, orthanc

from monai_unet.interaction.session.objects import SegmentObject
from napari_plugin.case import pacs
from napari_plugin.case.exporting import EditedCase
from napari_plugin.case.opening import list_images, open_image
from napari_plugin.panels.pacs import PacsPicker

pytest.importorskip("pynetdicom")
pytestmark = needs_orthanc


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    return write_phantom(tmp_path_factory.mktemp("phantom"), shape=(20, 16, 6))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, phantom: Phantom) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("orthanc"), peers={"MONAI-UNET": ("127.0.0.1", 4242)}) as running:
        running.put(phantom.folder)
        yield running


@pytest.fixture
def settings(home: Path, server: Orthanc) -> Path:
    path = home / ".monai-unet" / "pacs.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"servers: {{clinic: {{host: 127.0.0.1, port: {server.dicom}, ae_title: ORTHANC}}}}\n")
    path.chmod(0o600)
    return path


class Said:
    """A controller that runs at once what it is given, and keeps what is said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.opened: list[Path] = []
        self.progressed = self

    def emit(self, *numbers: int) -> None:
        pass

    def say(self, sentence: str, kind: str = "") -> None:
        self.sentences.append(sentence)

    fail = say

    def run(
        self, make: Callable[[], Any], *, done: Any, progress: Any = None, current: Any = None, stopped: str = ""
    ) -> None:
        steps = make()
        try:
            while True:
                step = next(steps)
                if progress is not None:
                    progress(step)
        except StopIteration as end:
            done(end.value)
        except ValueError as error:
            self.say(str(error))

    def open_paths(self, paths: list[Path]) -> None:
        self.opened += paths


def test_a_study_is_found_fetched_and_opened(qapp: Any, settings: Path, phantom: Phantom, tmp_path: Path) -> None:
    said = Said()
    picker = PacsPicker(said)  # type: ignore[arg-type]
    picker.open()
    assert picker.server.count() == 1
    picker.search()
    assert "Say what to look for" in said.sentences[-1]
    picker.date.setText("2024")
    picker.search()
    assert "YYYYMMDD" in said.sentences[-1]
    picker.date.setText("20240101-20241231")
    picker.modality.setText("CT")
    picker.search()
    assert said.sentences[-1].startswith("1 studies")
    assert "6 images" in picker.studies.currentText()
    assert "Jan" not in picker.studies.currentText()
    assert "MRN" not in picker.studies.currentText()
    picker.fetch(tmp_path / "studies")
    (folder,) = said.opened
    assert folder.name == str(phantom.headers()[0].StudyInstanceUID)
    assert len(list(folder.rglob("*.dcm"))) == 6
    picker.fetch(tmp_path / "studies")
    assert "is there already" in said.sentences[-1]


def test_settings_that_are_missing_or_open_to_others_are_said(qapp: Any, home: Path) -> None:
    said = Said()
    picker = PacsPicker(said)  # type: ignore[arg-type]
    picker.open()
    assert "does not exist" in said.sentences[-1]
    path = home / ".monai-unet" / "pacs.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("servers: {}")
    path.chmod(0o644)
    picker.open()
    assert "chmod 600" in said.sentences[-1]
    assert picker.isHidden()


def test_results_of_the_dock_are_sent_into_the_study(settings: Path, server: Orthanc, phantom: Phantom) -> None:
    (entry,) = list_images(phantom.folder)
    image = open_image(entry)
    labels = np.zeros(image.grid.shape, np.uint16)
    labels[1:4, 3:9, 4:12] = 1
    outcome = EditedCase(image, labels, (SegmentObject(1, "left tumour", "tumour"),), {})
    (clinic,) = pacs.servers().values()
    steps = pacs.send(outcome, clinic)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        sentence = end.value
    assert "found there again" in sentence
    kinds = Counter(server.modalities())
    assert kinds == {"CT": 6, "SEG": 1, "SR": 1, "OT": 3, "KO": 1, "DOC": 1, "PR": 1}
