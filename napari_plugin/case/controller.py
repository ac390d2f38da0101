"""The open case, shared by the panels: images, the edit session on one of them, background work, the status line."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from monai_unet.io.datasets import Entry, UnrelatedFramesError
from monai_unet.mappings import Json
from napari_plugin.case.opening import OpenImage, best_of, list_images, onto, open_image, title
from napari_plugin.case.work import BackgroundWork, Result, Step, once
from napari_plugin.viewer import (
    METADATA,
    MOVED,
    go_to,
    hang,
    hold_in_place,
    image_layer,
    show_between,
    show_plane,
    widen_contrast_range,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from napari.utils.events import Event

INFO, WARNING, ERROR = "info", "warning", "error"


@dataclass(frozen=True)
class _Refused:
    """A series that is not known to lie in the frame of reference of the open image."""

    entry: Entry
    reason: str


class Controller(QObject):
    """What is open in one viewer. Panels call its methods and listen to its signals; none knows another panel.

    Attributes:
        viewer: the napari viewer.
        entries: what was found where the user looked, readable or not.
        images: those that are shown, all on the grid of the first.
        jobs: reading, segmenting, saving: one at a time.
    """

    entries_changed = Signal()
    images_changed = Signal()
    reference_changed = Signal()
    said = Signal(str, str)
    """A sentence for the status line, and its kind."""
    progressed = Signal(int, int)
    """Steps done, steps in all (0: not known)."""

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.entries: list[Entry] = []
        self.images: list[OpenImage] = []
        self.jobs = BackgroundWork(self)
        self._refused: list[Entry] = []
        self._windows: dict[str, tuple[float, float]] = {}
        self.may_replace: Callable[[], bool] = lambda: True
        self.own_layers: Callable[[], Sequence[Layer]] = tuple
        self.may_remove: Callable[[Sequence[str]], bool | None] = lambda names: True
        """Asks whether layers of the user's go with the case; None: do not open another one."""
        self._going: list[Layer] = []
        self._holds: dict[Layer, Callable[[], None]] = {}
        hang(viewer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in list(viewer.layers):
            self._adopt(layer)

    @property
    def reference(self) -> OpenImage | None:
        """The image whose voxels the segmentation lies on: the first one shown."""
        return self.images[0] if self.images else None

    def say(self, sentence: str, kind: str = INFO) -> None:
        """Put a sentence into the status line."""
        self.said.emit(sentence, kind)

    def describe(self) -> None:
        """Say what is open, if anything is."""
        if self.reference is not None:
            said = f"{_opened(self.reference)} G marks a lesion; the Model tab has models."
            self.say(said, WARNING if self.reference.notes else INFO)

    def stop(self) -> None:
        """Stop what runs: at its next step, which may be a while, so that it is said."""
        if self.jobs.running:
            self.say("Stopping after the present step …")
            self.jobs.stop()

    def fail(self, sentence: str) -> None:
        """Say what went wrong."""
        self.progressed.emit(0, -1)
        self.say(sentence, ERROR)

    def run(
        self,
        make: Callable[[], Generator[Step, None, Result]],
        *,
        done: Callable[[Result], None],
        progress: Callable[[Step], None] = lambda step: None,
        stopped: str = "Stopped; nothing was changed.",
        current: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Start a computation unless one is running, which is said.

        The worker returns values; `done` writes them, in the GUI thread, and only while `current` says that what the
        computation was asked about is still open and chosen.
        """

        def end(result: Result) -> None:
            self.progressed.emit(0, -1)
            if current():
                done(result)
            else:
                self.say("The image or the model was changed meanwhile; the result was not used.", WARNING)

        def stop() -> None:
            self.progressed.emit(0, -1)
            self.say(stopped)

        started = self.jobs.start(make, done=end, failed=self.fail, progress=progress, stopped=stop)
        if started:
            self.progressed.emit(0, 0)
        else:
            self.say("Something is still running; wait for it or press Cancel.", WARNING)
        return started

    def may_close(self) -> bool:
        """Ask about unsaved work, and about layers that the user has made on the open case."""
        self._going = []
        if not self.may_replace():
            return False
        others = [layer for layer in self.viewer.layers if not self._is_own(layer)] if self.images else []
        if others:
            remove = self.may_remove([layer.name for layer in others])
            if remove is None:
                return False
            self._going = others if remove else []
        return True

    def _is_own(self, layer: Layer) -> bool:
        return METADATA in layer.metadata or any(layer is own for own in self.own_layers())

    def open_paths(self, paths: Sequence[str | Path], then: Callable[[], None] = lambda: None) -> None:
        """List what paths hold, and show the best of it, reading in the background."""

        def find() -> Generator[None, None, tuple[list[Entry], OpenImage]]:
            entries = []
            for path in paths:
                yield None
                entries += list_images(path)
            yield None
            return entries, open_image(best_of(entries))

        def show(found: tuple[list[Entry], OpenImage]) -> None:
            self.entries, image = found
            self.entries_changed.emit()
            self._replace(image)
            then()

        if self.may_close():
            self.say(f"Reading {Path(paths[0]).name} …")
            self.run(find, done=show)

    def open_entry(self, entry: Entry) -> None:
        """Read an entry and show it in place of what is shown."""
        if self.may_close():
            self.say(f"Reading {title(entry)} …")
            self.run(once(lambda: open_image(entry)), done=self._replace)

    def add_entry(self, entry: Entry) -> None:
        """Read an entry and show it with what is shown, on the same voxels."""
        reference = self.reference
        if reference is None:
            self.open_entry(entry)
        elif all(image.entry != entry for image in self.images):
            self.say(f"Reading {title(entry)} …")
            insist = entry in self._refused
            self.run(
                once(lambda: self._placed(entry, reference, insist=insist)),
                done=self._add_placed,
                current=lambda: self.reference is reference,
            )

    def add_entries(self, entries: Sequence[Entry]) -> None:
        """Read several entries and show them with what is shown, on the same voxels; one after the other."""
        reference = self.reference
        if reference is None or not entries:
            return

        def read() -> Generator[None, None, list[OpenImage | _Refused]]:
            found = []
            for entry in entries:
                yield None
                found.append(self._placed(entry, reference, insist=entry in self._refused))
            return found

        def show(found: list[OpenImage | _Refused]) -> None:
            for one in found:
                self._add_placed(one)

        self.say(f"Reading {len(entries)} series …")
        self.run(read, done=show, current=lambda: self.reference is reference)

    def _placed(self, entry: Entry, reference: OpenImage, *, insist: bool) -> OpenImage | _Refused:
        try:
            return onto(open_image(entry), reference, insist=insist)
        except UnrelatedFramesError as error:
            return _Refused(entry, str(error))

    def _add_placed(self, found: OpenImage | _Refused) -> None:
        if isinstance(found, OpenImage):
            self._add(found)
            return
        self._refused.append(found.entry)
        self.images_changed.emit()
        self.say(f"{found.reason} Tick it once more to lay it over by its coordinates at your word.", WARNING)

    def remove_entry(self, entry: Entry) -> None:
        """Hide an added image again; the first one stays, the segmentation lies on it."""
        for layer in list(self.viewer.layers):
            image = layer.metadata.get(METADATA)
            if isinstance(image, OpenImage) and image.entry == entry and image is not self.reference:
                self.viewer.layers.remove(layer)

    def layer_of(self, image: OpenImage) -> Image | None:
        """The layer that shows an image; None where the user has removed it."""
        return next((layer for layer in self.viewer.layers if layer.metadata.get(METADATA) is image), None)

    def close(self) -> None:
        """Stop what runs and let go of the viewer."""
        self.jobs.close()
        for release in self._holds.values():
            release()
        self._holds.clear()
        self.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    def close_case(self) -> None:
        """Take the images out of the viewer; with the first goes the session on it."""
        self.images = []
        self._refused = []
        going, self._going = self._going, []
        for layer in list(self.viewer.layers):
            if METADATA in layer.metadata or any(layer is other for other in going):
                self.viewer.layers.remove(layer)
        self.reference_changed.emit()
        self.images_changed.emit()

    def _replace(self, image: OpenImage) -> None:
        """Show another case in place of what was shown."""
        self.close_case()
        self._add(image)

    def _add(self, image: OpenImage) -> None:
        data, state, _ = image_layer(image)
        # below the segmentation and what is marked on it
        self.viewer.layers.insert(len(self.images), _image(data, state))

    def _on_inserted(self, event: Event) -> None:
        layer: Layer = event.value
        self._adopt(layer)
        if layer.ndim > 3 and self.images:
            self.say(f"{layer.name} has {layer.ndim} dimensions; remove it to go on with the case.", WARNING)

    def _adopt(self, layer: Layer) -> None:
        """Take in a layer that our reader made, whoever asked for it."""
        image = layer.metadata.get(METADATA)
        if not isinstance(image, OpenImage) or any(image is known for known in self.images):
            return
        reference = self.reference
        if reference is not None and not image.grid.matches(reference.grid, tolerance=0.1):
            self.say(
                f"{image.name} lies on other voxels than {reference.name} and is not used for segmenting; "
                "tick it in the list to have it interpolated.",
                WARNING,
            )
            return
        self.images.append(image)
        self._holds[layer] = hold_in_place(layer, image.grid.spacing, lambda: self.say(MOVED, WARNING))
        widen_contrast_range(layer)
        if image.key in self._windows:
            show_between(layer, self._windows[image.key])
        new = [entry for entry in image.siblings or (image.entry,) if entry not in self.entries]
        if new:
            self.entries += new
            self.entries_changed.emit()
        if len(self.images) == 1:
            hang(self.viewer)
            show_plane(self.viewer, "axial")
            go_to(self.viewer, [n // 2 for n in image.grid.shape])
            self.reference_changed.emit()
        self.images_changed.emit()
        self.say(_opened(image), WARNING if image.notes or image.moved else INFO)

    def _on_removed(self, event: Event) -> None:
        if isinstance(event.value.metadata.get(METADATA), OpenImage):
            # the window that was chosen for a series stays its own
            self._windows[event.value.metadata[METADATA].key] = tuple(event.value.contrast_limits)
        if event.value in self._holds:
            self._holds.pop(event.value)()
        image = event.value.metadata.get(METADATA)
        kept = [known for known in self.images if known is not image]
        if len(kept) < len(self.images):
            lost = self.images[0] is image
            # the others lie on the voxels of the first and stay
            self.images = kept
            if lost:
                self.reference_changed.emit()
            self.images_changed.emit()
            if lost:
                self.say(f"{image.name} was closed with its work, which is kept: open it again to go on.", WARNING)


def _image(data: NDArray[np.number], state: Json) -> Image:
    from napari.layers import Image

    return Image(data, **state)


def _opened(image: OpenImage) -> str:
    grid = image.grid
    size = "×".join(map(str, grid.shape[::-1]))
    spacing = "×".join(f"{mm:.3g}" for mm in grid.spacing[::-1])
    more = "; ".join(filter(None, [image.moved, *image.notes]))
    return f"{image.name}: {size} voxels of {spacing} mm." + (f" Note: {more}." if more else "")
