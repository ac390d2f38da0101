"""Model: choose a bundle, give it its channels, segment the case or a box of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QFormLayout, QPlainTextEdit, QWidget

from monai_unet.bundle_format import Bundle, find_bundle, is_trusted, trust
from monai_unet.bundle_format.zoo import licence_of
from monai_unet.errors import InputError
from monai_unet.geometry import Box
from monai_unet.io import plain
from monai_unet.io.datasets import Entry
from monai_unet.segmentation import Progress, Segmenter
from napari_plugin.case import (
    WARNING,
    Controller,
    Editing,
    OpenImage,
    models,
    recognised_entries,
    title,
    unsuited,
    wanted,
)
from napari_plugin.panels.layout import Panel, button, one_line, sentence, tip
from napari_plugin.panels.zoo import ZooPicker
from napari_plugin.settings import remember, setting

_STAGES = {"read": "Reading", "preprocess": "Preparing", "infer": "Segmenting", "postprocess": "Finishing"}


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A model in memory; a worker hands it over, only the GUI thread keeps it."""

    root: Path
    uncertainty: bool
    segmenter: Segmenter


class ModelPanel(Panel):
    """Bundle, channels, Segment and Cancel."""

    def __init__(
        self,
        controller: Controller,
        editing: Editing,
        *,
        ask_region: Callable[[Callable[[Box], None]], None],
        show_uncertainty: Callable[[Any], None],
        load: Callable[[Bundle, bool], Segmenter] = lambda bundle, uncertainty: Segmenter.load(
            bundle.root, uncertainty=uncertainty
        ),
    ) -> None:
        super().__init__("Model")
        self.controller, self.editing = controller, editing
        self._ask_region, self._show_uncertainty, self._load = ask_region, show_uncertainty, load
        self._loaded: _Loaded | None = None
        self._region: Box | None = None
        self._warned: list[str] = []
        self.bundle = QComboBox()
        self.bundle.setToolTip("The model that segments by itself; its card says what it was trained on")
        self.bundle.activated.connect(lambda index: self._on_chosen())
        # a reason must not make the dock wider
        self.bundle.setMinimumContentsLength(12)
        self.bundle.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.own_button = button("Own folder…", "Use a MONAI bundle from a folder", self._ask_folder)
        self.zoo = ZooPicker(controller, self.choose)
        self.zoo_button = button("Model Zoo…", "Download a bundle from MONAI's Model Zoo (network)", self.zoo.open)
        self.licence = QPlainTextEdit()
        self.licence.setReadOnly(True)
        self.licence.setTabChangesFocus(True)
        self.licence.setFixedHeight(110)
        self.licence.setAccessibleName("Licence of the model")
        self.licence.setToolTip("What this model says about its copyright and licence")
        self.trust_button = button(
            "I know where it comes from: allow it", "This bundle's files can run any code; agree once", self._trust
        )
        self.tick_button = button("Tick its sequences", "Show every series of the study that it asks for", self._tick)
        self.mapping = QWidget()
        self.mapping_rows = QFormLayout(self.mapping)
        self.mapping_rows.setContentsMargins(0, 0, 0, 0)
        self.channels: list[QComboBox] = []
        self.uncertainty = QCheckBox("Uncertainty")
        self.uncertainty.setToolTip("Also show where the model is unsure; Shift+N goes to the next such place")
        self.region_button = button("Only in a box", "Draw a box; only what is in it is segmented", self._choose_region)
        self.segment_button = button("Segment", "Run the model on the case", self.segment, name="segment")
        self.cancel_button = button("Cancel", "Stop what is running", controller.stop, name="cancel")
        self.warning = sentence()
        self.warning.setStyleSheet("color: #e69f00")
        self.add(self.bundle)
        self.add(self.own_button, self.zoo_button)
        self.add(self.zoo)
        self.add(self.licence)
        self.add(self.trust_button)
        self.add(self.mapping)
        self.add(self.tick_button)
        self.add(self.region_button, self.uncertainty)
        self.add(self.warning)
        self.add(self.segment_button, self.cancel_button, stretch=(2, 1))
        controller.images_changed.connect(self._list_bundles)
        controller.images_changed.connect(self._on_images)
        controller.reference_changed.connect(self._on_case)
        controller.jobs.changed.connect(self._on_running)
        self._bundles = models.usable_bundles()
        self._wished: Bundle | None = None
        self._list_bundles()
        self._on_running(False)

    @property
    def chosen(self) -> Bundle | None:
        """The bundle chosen."""
        found: Bundle | None = self.bundle.currentData()
        return found

    def choose(self, bundle: Bundle) -> None:
        """Choose a bundle, which is added to the list where it is not in it."""
        if all(known.root != bundle.root for known in self._bundles):
            self._bundles.append(bundle)
        self._wished = bundle
        self._list_bundles()

    def segment(self) -> None:
        """Check the input, say what looks wrong, and run; pressed again after a warning it runs all the same."""
        bundle, images = self.chosen, self._images()
        if bundle is None:
            self.controller.say("There is no model here; choose a bundle's folder, or click into the lesion.", WARNING)
        elif self.controller.reference is None:
            self.controller.say("Open an image first.", WARNING)
        elif not is_trusted(bundle):
            self.wanted.emit()
            self._offer_trust()
            self.controller.say(f"'{bundle.name}' is not built in; allow it first.", WARNING)
        elif images:
            self._start(bundle, images, checked=bool(self._warned))

    def _start(self, bundle: Bundle, images: list[OpenImage | None], *, checked: bool) -> None:
        uncertainty, region, loaded = self.uncertainty.isChecked(), self._region, self._loaded
        session = self.editing.session

        def work() -> Generator[Any, None, Any]:
            yield "Loading the model …"
            if loaded is not None and (loaded.root, loaded.uncertainty) == (bundle.root, uncertainty):
                segmenter = loaded.segmenter
            else:
                segmenter = self._load(bundle, uncertainty)
                yield _Loaded(bundle.root, uncertainty, segmenter)
            yield "Checking the images …"
            if not checked:
                warnings = models.check(segmenter, images)
                if warnings:
                    return warnings
            return (yield from models.run(segmenter, images, region, description=bundle.description))

        self._begun = time.monotonic()

        def current() -> bool:
            return self.editing.session is session and self.chosen is bundle

        if self.controller.run(
            work, done=self._done, progress=self._progress, stopped="Cancelled; nothing changed.", current=current
        ):
            remember("bundle", bundle.name)

    def _progress(self, step: Any) -> None:
        if isinstance(step, _Loaded):
            self._loaded = step
            return
        if isinstance(step, str):
            self.controller.say(step)
            return
        assert isinstance(step, Progress)
        total = step.total or 0
        self.controller.progressed.emit(step.done, total)
        text = _STAGES.get(step.stage, step.stage)
        if step.stage == "infer":
            if step.done <= 1:
                self._begun = time.monotonic()
            left = (time.monotonic() - self._begun) / max(step.done - 1, 1) * (total - step.done)
            text += f": {step.done} of {total} tiles" if total else f": tile {step.done}"
            text += f", {left:.0f} s left" if total and step.done > 1 else ""
        self.controller.say(text)

    def _done(self, result: Any) -> None:
        if isinstance(result, list):
            self.wanted.emit()
            self._warn(result)
            self.controller.say(
                "The input looks unlike the training data; read the warning, then press again.", WARNING
            )
            return
        self._warn([])
        if self.editing.import_labels(result.labels, result.objects, "segment", result.provenance):
            self._show_uncertainty(result.uncertainty)
            found = sorted({item.name for item in result.objects if (result.labels == item.value).any()})
            what = f"Found: {', '.join(found)}." if found else "The model found nothing here."
            self.controller.say(f"{what} Check it slice by slice; Ctrl+Z takes it back.")

    def _warn(self, warnings: list[str]) -> None:
        self._warned = warnings
        self.warning.setText("\n".join(f"⚠ {plain(text)}" for text in warnings))
        self.warning.setVisible(bool(warnings))
        key = self.segment_button.text().partition("  ")[2]
        self.segment_button.setText(f"Run anyway  {key}" if warnings else f"Segment  {key}")

    def _images(self) -> list[OpenImage | None]:
        """One image for each channel, None for an optional one left out; empty, and said, where one is missing."""
        bundle, shown = self.chosen, self.controller.images
        indices = [combo.currentData() for combo in self.channels]
        given: list[OpenImage | None] = [None if i is None or i < 0 else shown[i] for i in indices]
        channels = bundle.description.inputs if bundle is not None else []
        lacking = [c.name for c, image in zip(channels, given, strict=True) if image is None and not c.optional]
        if lacking or not any(given):
            names = " and ".join(lacking) if lacking else wanted(channels)
            self.wanted.emit()
            self.controller.say(f"The model needs {names}: tick that series in the list and choose it here.", WARNING)
            return []
        return given

    def _list_bundles(self) -> None:
        """Those that suit what is open first; below a line the others, each with the reason."""
        images, entries = self.controller.images, self.controller.entries
        reasons = {bundle.root: unsuited(bundle, images, entries) for bundle in self._bundles}
        before = self.chosen
        self.bundle.clear()
        for suits in (True, False):
            those = [bundle for bundle in self._bundles if (reasons[bundle.root] == "") == suits]
            if those and not suits and self.bundle.count():
                self.bundle.insertSeparator(self.bundle.count())
            for bundle in those:
                name = plain(bundle.name) if suits else plain(f"{bundle.name}: {reasons[bundle.root]}")
                self.bundle.addItem(name, bundle)
        last = next((bundle for bundle in self._bundles if bundle.name == str(setting("bundle"))), None)
        suited = [bundle for bundle in self._bundles if not reasons[bundle.root]]
        # what the user has chosen stays, else what suits
        wish = self._wished or next((b for b in (last, *suited) if b is not None and not reasons[b.root]), last)
        roots = [bundle.root if bundle is not None else None for bundle in map(self.bundle.itemData, self._items())]
        self.bundle.setCurrentIndex(roots.index(wish.root) if wish is not None else (0 if roots else -1))
        if self.chosen is not before or not self.channels:
            self._on_bundle()

    def _items(self) -> range:
        return range(self.bundle.count())

    def _on_chosen(self) -> None:
        self._wished = self.chosen
        self._on_bundle()

    def _tick(self) -> None:
        """Show every series of the study that the model asks for and that is not shown."""
        self.controller.add_entries(self._to_tick())

    def _to_tick(self) -> list[Entry]:
        bundle, shown = self.chosen, [image.entry for image in self.controller.images]
        if bundle is None or not shown:
            return []
        channels = bundle.description.channels
        here = recognised_entries(channels, shown)
        there = recognised_entries([c for c in channels if c.name not in here], self.controller.entries)
        return [entry for entry in there.values() if entry not in shown]

    def _on_bundle(self) -> None:
        bundle = self.chosen
        self._warn([])
        while self.mapping_rows.rowCount():
            self.mapping_rows.removeRow(0)
        self.channels = []
        if bundle is not None:
            for channel in bundle.description.inputs:
                combo = QComboBox()
                combo.setToolTip(tip(f"Which image is the model's {channel.name}"))
                combo.activated.connect(lambda index: self._warn([]))
                self.channels.append(combo)
                self.mapping_rows.addRow(one_line(plain(channel.name)), combo)
            # Qt puts what is made later behind everything in the window
            chain = [self.trust_button, *self.channels, self.tick_button]
            for before, after in pairwise(chain):
                QWidget.setTabOrder(before, after)
            self.bundle.setToolTip(tip(bundle.description.description))
        self._offer_trust()
        self._on_images()

    def _offer_trust(self) -> None:
        """The licence and the button of a bundle that needs consent, or needs it again."""
        bundle = self.chosen
        asks = bundle is not None and not is_trusted(bundle)
        self.licence.setPlainText(plain(licence_of(bundle), lines=True) if bundle is not None and asks else "")
        self.licence.setVisible(asks)
        self.trust_button.setVisible(asks)

    def _on_images(self) -> None:
        self._warn([])
        images, bundle = self.controller.images, self.chosen
        to_tick = self._to_tick()
        self.tick_button.setVisible(bool(to_tick))
        self.tick_button.setToolTip(tip("Show also " + ", ".join(title(entry) for entry in to_tick)))
        guessed = models.guess(bundle.description.inputs, images) if bundle is not None else []
        for combo, best in zip(self.channels, guessed, strict=True):
            combo.clear()
            combo.addItem("– none –", -1)
            for index, image in enumerate(images):
                combo.addItem(plain(image.name), index)
            combo.setCurrentIndex(best + 1)

    def _on_running(self, running: bool) -> None:
        self.segment_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)

    def _choose_region(self) -> None:
        if self._region is not None:
            self._set_region(None)
            self.controller.say("The whole image is segmented.")
        elif self.controller.reference is None:
            self.controller.say("Open an image first.", WARNING)
        else:
            self.controller.say("Drag a box around the region in any plane.")
            self._ask_region(self._set_region)

    def _on_case(self) -> None:
        """What was wished for on the last case is not wished for on this one."""
        self._wished = None
        self._set_region(None)

    def _set_region(self, region: Box | None) -> None:
        self._region = region
        reference = self.controller.reference
        self.region_button.setText("Only in a box" if region is None else "Whole image again")
        if region is not None and reference is not None:
            mm = [(r.stop - r.start) * s for r, s in zip(region, reference.grid.spacing, strict=True)]
            self.controller.say(f"Only a box of {mm[2]:.0f} × {mm[1]:.0f} × {mm[0]:.0f} mm is segmented.")

    def _trust(self) -> None:
        if self.chosen is None:
            return
        try:
            trust(self.chosen)
        except InputError as error:
            self.controller.say(str(error), WARNING)
            return
        self._loaded = None  # of the files before the change that was agreed to
        self._on_bundle()
        self.controller.say(f"'{self.chosen.name}' may run; a change of its files asks again.")

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A MONAI bundle's folder")
        if not folder:
            return
        try:
            bundle = find_bundle(folder)
        except InputError as error:
            self.controller.say(str(error), WARNING)
            return
        if bundle.problem:
            self.controller.say(bundle.problem, WARNING)
            return
        self.choose(bundle)
        if not is_trusted(bundle):
            self.controller.say(f"Read the licence of '{bundle.name}', then allow it.")
