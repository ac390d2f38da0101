"""How the plugin feels: heartbeat of the window while a model runs, click to label array and to outline, undo.

Usage: xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/plugin.py [--answerer classical] [--clicks 7] [--json]

The image is made of formulas: 240 × 240 × 155 voxels of 1 mm, one canvas of about 700 × 600. Times are wall times;
beside each stands the processor time of the process, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from scipy import ndimage

SHAPE = (155, 240, 240)


def write_head(path: Path) -> Path:
    """A head with three bright lesions."""
    places = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    image = np.zeros(SHAPE, np.float32)

    def ball(centre: tuple[int, int, int], radii: tuple[int, int, int]) -> Any:
        return sum(((p - c) / r) ** 2 for p, c, r in zip(places, centre, radii, strict=True)) <= 1

    image[ball((77, 120, 120), (70, 100, 80))] = 400
    for centre, radius in (((90, 150, 90), 18), ((70, 100, 150), 12), ((60, 160, 140), 7)):
        image[ball(centre, (radius, radius, radius))] = 700
    image = ndimage.gaussian_filter(image, 0.8) + np.random.default_rng(0).normal(0, 15, SHAPE).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(image.transpose(2, 1, 0).astype(np.int16), np.eye(4)), path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answerer", default="classical", help="classical, or the name of an editor's bundle")
    parser.add_argument("--clicks", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the idle and of the busy heartbeat")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    home = tempfile.mkdtemp()
    os.environ.update(HOME=home, NAPARI_CONFIG=f"{home}/settings.yaml")
    found = Bench(Path(home)).run(arguments)
    print(
        json.dumps(found, indent=2) if arguments.json else "\n".join(f"{key}: {value}" for key, value in found.items())
    )


class Bench:
    """One window and one dock."""

    def __init__(self, home: Path) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        from napari_plugin.widget import Dock

        self.home, self.process_events = home, QApplication.processEvents
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1320, 700)
        self.dock = Dock(self.viewer)
        self.viewer.window.add_dock_widget(self.dock, area="right")

    def run(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """All measurements."""
        from monai_unet.interaction.answerers import build_answerer

        self.dock.editing.set_answerer(lambda: build_answerer(arguments.answerer))
        self.dock.controller.open_paths([write_head(self.home / "head.nii.gz")])
        self.wait(lambda: self.dock.editing.session is not None and not self.dock.controller.jobs.running)
        self.beat(1.0)
        found: dict[str, Any] = {"canvas": list(self.viewer.canvas.size[::-1]), "answerer": arguments.answerer}
        found["longest gap idle (ms)"] = self.beat(arguments.seconds)
        found["longest gap while a model runs (ms)"] = self.beat_while_segmenting(arguments.seconds)
        found |= self.click(arguments.clicks)
        found |= self.undo()
        self.dock.editing.unsaved = False
        self.viewer.close()
        return found

    def wait(self, condition: Any, seconds: float = 600.0) -> None:
        """Let the window work."""
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.process_events()
            time.sleep(0.001)

    def beat(self, seconds: float, running: Any = lambda: True) -> float:
        """Longest time between two turns of the event loop with a timer of 10 ms, in ms."""
        from qtpy.QtCore import QTimer

        beats: list[float] = [time.perf_counter()]
        timer = QTimer()
        timer.setInterval(10)
        timer.timeout.connect(lambda: beats.append(time.perf_counter()))
        timer.start()
        self.wait(lambda: not running(), seconds)
        timer.stop()
        return round(float(np.diff(beats).max()) * 1000, 1)

    def beat_while_segmenting(self, seconds: float) -> float | str:
        """The same while the first bundle found works on the image."""
        model, jobs = self.dock.model, self.dock.controller.jobs
        if model.chosen is None:
            return "no bundle with weights"
        model._warned = ["accepted"]
        model.segment()
        gap = self.beat(seconds, lambda: jobs.running)
        jobs.stop()
        self.wait(lambda: not jobs.running)
        return gap

    def click(self, count: int) -> dict[str, Any]:
        """From a submitted click to the label array, and to the outline drawn, over lesions and their background."""
        from monai_unet.interaction.prompts import Prompt

        editing = self.dock.editing
        editing.new_object()
        places = [(90, 150, 90), (90, 150, 104), (95, 142, 88), (90, 150, 115), (84, 158, 92), (90, 135, 90)]
        arrays, drawn, processor = [], [], []
        for number in range(count + 1):
            s, a, r = places[number % len(places)]
            self.dock.view.go_to((s, a, r))
            self.wait(lambda: False, 0.5)
            start, used = time.perf_counter(), time.process_time()
            editing.submit(Prompt("point", number % 3 != 2, np.array([[r, a, s]], float)))
            while editing.answers.running:
                self.process_events()
            arrays.append((time.perf_counter() - start) * 1000)
            self.viewer.window._qt_viewer.canvas.native.repaint()
            self.process_events()
            drawn.append((time.perf_counter() - start) * 1000)
            processor.append((time.process_time() - used) * 1000)
        return {
            "first click, image prepared (ms)": round(arrays[0]),
            "click → label array, median (ms)": round(float(np.median(arrays[1:]))),
            "click → outline drawn, median (ms)": round(float(np.median(drawn[1:]))),
            "processor time of a click, median (ms)": round(float(np.median(processor[1:]))),
        }

    def undo(self) -> dict[str, Any]:
        """The session's part of undoing a change of 4 million voxels, without drawing."""
        session = self.dock.editing.session
        assert session is not None
        value = session.add_object("large")
        whole, own = [], []
        for _ in range(5):
            session.paint(value, (slice(0, 80), slice(0, 224), slice(0, 224)))
            start = time.process_time()
            self.dock.editing.undo()
            whole.append((time.process_time() - start) * 1000)
            session.redo()
            listeners, session._listeners = session._listeners, []
            start = time.process_time()
            session.undo()
            own.append((time.process_time() - start) * 1000)
            session._listeners = listeners
        return {
            "undo of 4 million voxels, session alone (ms processor)": round(float(np.median(own)), 1),
            "undo of 4 million voxels, with refresh of the layer (ms processor)": round(float(np.median(whole)), 1),
        }


if __name__ == "__main__":
    main()
