"""Learn: train the chosen model further on the cases saved for training."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

from qtpy.QtWidgets import QFileDialog

from monai_unet.bundle_format import Bundle
from monai_unet.io import plain
from monai_unet.planning import fine_tune, fine_tuning_folder, plan_fine_tuning
from monai_unet.training import Epoch
from napari_plugin.case import ERROR, WARNING, BackgroundWork, Controller
from napari_plugin.panels.layout import NumberBox, Panel, button, sentence
from napari_plugin.settings import remember, setting


class LearnPanel(Panel):
    """Fine-tune and Stop; the training runs beside the reading, and its line is here and not in the status line."""

    def __init__(
        self, controller: Controller, chosen: Callable[[], Bundle | None], use: Callable[[Bundle], None]
    ) -> None:
        """Args: `chosen` is the model to begin from; `use` gets the new one."""
        super().__init__("Learn")
        self.controller, self._chosen, self._use = controller, chosen, use
        self.training = BackgroundWork(self)
        self.epochs = NumberBox()
        self.epochs.setDecimals(0)
        self.epochs.setRange(1, 500)
        self.epochs.setValue(20)
        self.epochs.setSuffix(" epochs")
        self.epochs.setAccessibleName("Epochs")
        self.epochs.setToolTip("How often the training goes through all cases")
        self.start_button = button(
            "Fine-tune…",
            "Train the model chosen in Model further on cases saved with Save > Add to a training set",
            self._ask,
        )
        self.stop_button = button("Stop", "Stop the training; nothing is kept of it", self.training.stop)
        self.line = sentence(
            "Trains the model chosen in Model further on your corrected cases; the model itself stays."
        )
        self.add(self.line)
        self.add(self.epochs, self.start_button, self.stop_button, stretch=(3, 3, 2))
        self.training.changed.connect(self._on_running)
        self._on_running(False)

    def start(self, folder: Path) -> None:
        """Begin a training on a folder in Decathlon layout; what stands against it is said."""
        bundle, epochs = self._chosen(), int(self.epochs.value())
        if bundle is None:
            self.controller.say("Choose a model in the Model tab first.", WARNING)
            return
        run = fine_tuning_folder(bundle)

        def work() -> Generator[Epoch, None, Bundle]:
            chosen = plan_fine_tuning(bundle, folder, epochs)
            return (yield from fine_tune(chosen, run))

        self.line.setText("Preparing the training …")
        self.training.start(
            work,
            done=self._done,
            failed=self._failed,
            progress=self._progress,
            stopped=lambda: self.line.setText("Stopped; the model is as it was."),
        )

    def release(self) -> None:
        """Stop for good."""
        self.training.close()

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the training set", str(setting("folder")))
        if folder:
            remember("folder", str(Path(folder).parent))
            self.start(Path(folder))

    def _progress(self, step: Epoch) -> None:
        text = f"Training: epoch {step.done} of {step.total}"
        text += f", loss {step.loss:.3f}" if step.loss is not None else ""
        text += f", Dice {step.dice:.3f}" if step.dice is not None else ""
        self.line.setText(plain(text, lines=True))

    def _done(self, bundle: Bundle) -> None:
        self.line.setText(plain(bundle.description.description).partition(" Not evaluated")[0])
        self._use(bundle)
        self.controller.say(f"The training is done: '{bundle.name}' is chosen in Model. Check what it marks.")

    def _failed(self, text: str) -> None:
        self.line.setText("No training runs.")
        self.controller.say(text, ERROR)

    def _on_running(self, running: bool) -> None:
        self.start_button.setEnabled(not running)
        self.stop_button.setEnabled(running)
