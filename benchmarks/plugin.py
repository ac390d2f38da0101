"""How the plugin feels: heartbeat of the window while a model runs, click to label array and to outline, undo, opening.

Usage: xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/plugin.py [--answerer classical] [--clicks 7]
       [--bundle brain_tumor_mri] [--seconds 10] [--slices 300] [--json]

The image is a synthetic phantom: 240 × 240 × 155 voxels of 1 mm, a canvas of 700 × 600; the CT that is opened has
512 × 512 voxels a slice. Times are wall times; beside them stands the processor time of the process, which a busy
machine changes less, and the load of the machine before and after.
"""

from __future__ import annotations

import argparse
import importlib.util
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
    parser.add_argument("--bundle", default="brain_tumor_mri", help="the model that runs while the heart beats")
    parser.add_argument("--slices", type=int, default=300, help="of the CT that is opened; 0: none")
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
        from monai_unet.interaction.answering import build_answerer

        found: dict[str, Any] = {"load before": _load()}
        self.dock.editing.set_answerer(lambda: build_answerer(arguments.answerer))
        self.open(write_head(self.home / "head.nii.gz"))
        self.beat(1.0)
        found |= {"canvas": list(self.viewer.canvas.size[::-1]), "answerer": arguments.answerer}
        found["idle, gaps (ms)"] = self.beat(arguments.seconds)
        found["idle, a slice each 0.5 s, gaps (ms)"] = self.beat(arguments.seconds, step=True)
        found |= self.beat_while_segmenting(arguments.bundle, arguments.seconds)
        found |= self.click(arguments.clicks)
        found |= self.undo()
        if arguments.slices:
            found |= self.open_ct(arguments.slices)
        self.dock.editing.unsaved = False
        self.viewer.close()
        return found | {"load after": _load()}

    def open(self, path: Path) -> None:
        """Open a path in the dock, until its first slice is drawn."""
        self.dock.editing.unsaved = False
        self.dock.controller.close_case()
        self.dock.controller.open_paths([path])
        self.wait(lambda: self.dock.editing.session is not None and not self.dock.controller.jobs.running)
        self.process_events()
        self.draw()

    def draw(self) -> None:
        """Draw the canvas now."""
        self.viewer.window._qt_viewer.canvas.native.repaint()
        self.process_events()

    def wait(self, condition: Any, seconds: float = 600.0) -> None:
        """Let the window work."""
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.process_events()
            time.sleep(0.001)

    def beat(self, seconds: float, running: Any = lambda: True, *, step: bool = False) -> dict[str, float]:
        """Longest time between two turns of the event loop with a timer of 10 ms, and the 99th percentile, in ms.

        With `step` another slice is shown each half second, so that there are redraws among the gaps.
        """
        from qtpy.QtCore import QTimer

        beats: list[float] = [time.perf_counter()]
        timer, stepper = QTimer(), QTimer()
        timer.setInterval(10)
        timer.timeout.connect(lambda: beats.append(time.perf_counter()))
        timer.start()
        stepper.setInterval(500)
        stepper.timeout.connect(self.next_slice)
        if step:
            stepper.start()
        self.wait(lambda: not running(), seconds)
        timer.stop()
        stepper.stop()
        gaps = np.diff(beats) * 1000
        return {"longest": round(float(gaps.max())), "99 %": round(float(np.percentile(gaps, 99)))}

    def next_slice(self) -> None:
        """Another slice near the middle."""
        self.viewer.dims.current_step = (70 + (self.viewer.dims.current_step[0] - 69) % 10, 120, 120)

    def beat_while_segmenting(self, name: str, seconds: float) -> dict[str, Any]:
        """The same while a bundle works on the image, without and with redraws."""
        from monai_unet.bundle_format import find_bundle

        model, jobs = self.dock.model, self.dock.controller.jobs
        model.choose(find_bundle(name))
        found: dict[str, Any] = {}
        for step, what in ((False, ""), (True, ", a slice each 0.5 s")):
            model.channels[0].setCurrentIndex(1)
            model._warned = ["accepted"]
            model.segment()
            if not jobs.running:
                raise SystemExit(f"{name} did not run: {self.dock.status.text()}")
            # reading the weights is not what is measured
            self.wait(lambda: self.dock.progress.value() > 0 or not jobs.running)
            start = time.perf_counter()
            found[f"{name} runs{what}, gaps (ms)"] = self.beat(seconds, lambda: jobs.running, step=step)
            found[f"{name} runs{what}, beats for (s)"] = round(time.perf_counter() - start, 1)
            jobs.stop()
            self.wait(lambda: not jobs.running)
        return found

    def click(self, count: int) -> dict[str, Any]:
        """From a submitted click to the label array, and to the outline drawn, over lesions and their background."""
        from monai_unet.interaction import Prompt

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
            self.wait(lambda: not editing.answers.running)
            arrays.append((time.perf_counter() - start) * 1000)
            self.draw()
            drawn.append((time.perf_counter() - start) * 1000)
            processor.append((time.process_time() - used) * 1000)
        return {
            "first click, image prepared (ms)": round(arrays[0]),
            "click → label array, median (ms)": round(float(np.median(arrays[1:]))),
            "click → outline drawn, median (ms)": round(float(np.median(drawn[1:]))),
            "processor time of a click, median (ms)": round(float(np.median(processor[1:]))),
        }

    def undo(self) -> dict[str, Any]:
        """Undoing a change of 4 million voxels: the session's part, and with the refresh of the layer."""
        session = self.dock.editing.session
        assert session is not None
        value = session.add_object("large")
        wall, own, whole = [], [], []
        for _ in range(5):
            session.paint(value, (slice(0, 80), slice(0, 224), slice(0, 224)))
            used = time.process_time()
            self.dock.editing.undo()
            whole.append((time.process_time() - used) * 1000)
            session.redo()
            listeners, session._listeners = session._listeners, []
            start, used = time.perf_counter(), time.process_time()
            session.undo()
            wall.append((time.perf_counter() - start) * 1000)
            own.append((time.process_time() - used) * 1000)
            session._listeners = listeners
        return {
            "undo of 4 million voxels, session alone (ms wall, ms processor)": [_median(wall), _median(own)],
            "undo of 4 million voxels, with refresh of the layer (ms processor)": _median(whole),
        }

    def open_ct(self, slices: int) -> dict[str, Any]:
        """A DICOM series: reading it alone, and from the request to the drawn slice; medians of three, in turn."""
        from napari_plugin.case import best_of, list_images, open_image

        place = importlib.util.spec_from_file_location("io_benchmark", Path(__file__).with_name("io.py"))
        assert place is not None
        assert place.loader is not None
        made = importlib.util.module_from_spec(place)
        place.loader.exec_module(made)
        folder = self.home / "ct"
        folder.mkdir()
        made.write_dicom(folder, made.ct_like((512, 512, slices)))
        times: dict[str, list[list[float]]] = {"read": [], "open": []}
        for _ in range(3):
            for what, work in (
                ("read", lambda: open_image(best_of(list_images(folder)))),
                ("open", lambda: self.open(folder)),
            ):
                # what was open before goes first: putting it away is not opening
                self.dock.editing.unsaved = False
                self.dock.controller.close_case()
                self.process_events()
                start, used = time.perf_counter(), time.process_time()
                work()
                times[what].append([time.perf_counter() - start, time.process_time() - used])
        read, opened = (np.median(times[what], axis=0).round(2).tolist() for what in ("read", "open"))
        return {
            f"CT of {slices} slices, reading alone (s wall, s processor)": read,
            f"CT of {slices} slices, opened and drawn (s wall, s processor)": opened,
            "opening beyond reading (s wall, s processor)": [
                round(more - less, 2) for more, less in zip(opened, read, strict=True)
            ],
        }


def _median(values: list[float]) -> float:
    return round(float(np.median(values)), 1)


def _load() -> list[float]:
    return [round(load, 1) for load in os.getloadavg()] if hasattr(os, "getloadavg") else []


if __name__ == "__main__":
    main()
