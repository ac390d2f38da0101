"""The editor network behind prompts: one window around the click, at the scale of the object, coarse then fine.

On an empty mask the window starts small and grows until the object fits; with a mask it is laid around the object and
the newest prompt. Only changes that hang together with the newest prompt are taken over, so that a correction in one
place does not undo what was right elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from torch import nn

from monai_unet.bundle_format import (
    Bundle,
    bundle_parser,
    check_stated_hash,
    find_bundle,
    load_weights,
    named_as_shown,
    own_imports,
    require_trust,
    trusted_copy,
)
from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.inferers import OpenVINONetwork, Runtime, TorchNetwork, agreeing_openvino
from monai_unet.interaction.answering.classical import ClassicalAnswerer
from monai_unet.interaction.answering.guidance import CHANNELS, network_input
from monai_unet.interaction.answering.plausibility import ShownVolume, first_answer_doubt, is_implausible
from monai_unet.interaction.answering.prompted_mask import (
    PromptedMask,
    WindowAnswer,
    WindowScales,
    expected_dice,
)
from monai_unet.interaction.answering.window import ImageWindow
from monai_unet.interaction.prompts import Answer, Prompt


class NetworkAnswerer:
    """Answers prompts with the network of a bundle of kind "editor".

    Args:
        bundle: name or folder.
        checkpoint: other weights of the same network.
        trust: consent to run a bundle that is not built in.
        zoom: how windows are laid; by default as the bundle's config says.
        runtime: "auto": OpenVINO where it is installed, else PyTorch.

    Raises:
        InputError: no such bundle, or it answers no prompts.
    """

    def __init__(
        self,
        bundle: str | Path = "lesion_editor",
        *,
        checkpoint: str | Path | None = None,
        trust: bool = False,
        zoom: WindowScales | None = None,
        runtime: Runtime = "auto",
    ) -> None:
        found = find_bundle(bundle)
        require_trust(found, consent=trust)
        runs = trusted_copy(found)
        with named_as_shown(runs), own_imports(runs):
            self._build(runs, checkpoint, zoom, runtime)

    def _build(self, found: Bundle, checkpoint: str | Path | None, zoom: WindowScales | None, runtime: Runtime) -> None:
        parser = _editor_config(found)
        self.name = found.name
        self.zoom = zoom or WindowScales(**parser.get_parsed_content("zoom"))
        channels = parser["network_def"].get("in_channels", len(CHANNELS))
        if channels != len(CHANNELS):
            raise InputError(
                f"the network of '{found.name}' takes {channels} channels, this version gives {len(CHANNELS)}; "
                "fine-tune it again from the present lesion_editor."
            )
        module: nn.Module = parser.get_parsed_content("network_def")
        weights = Path(checkpoint) if checkpoint is not None else found.root / "models" / "model.pt"
        if weights.is_file():
            check_stated_hash(found, weights)
        load_weights(module, weights)
        self._network = compiled_network(module.eval(), runtime)
        self._image: NDArray[np.number] | None = None
        self._grid: Grid | None = None

    def start(self, image: NDArray[np.number], grid: Grid) -> None:
        """Take the image (S, A, R); what is not a number counts as the image's median.

        Raises:
            InputError: the image does not lie on the grid.
        """
        if tuple(image.shape) != tuple(grid.shape):
            raise InputError(f"the image has {tuple(image.shape)} voxels and its grid {tuple(grid.shape)} (S, A, R).")
        image = np.asarray(image)
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            known = np.isfinite(image)
            median = float(np.median(image[known])) if known.any() else 0.0
            image = np.where(known, image, np.asarray(median, dtype=image.dtype))
        self._image, self._grid, self._shown = image, grid, ShownVolume(image)

    def answer(self, prompts: Sequence[Prompt], current: NDArray[np.bool_]) -> Answer:
        """The new mask after the newest prompt, in the box that may have changed.

        Masks (S, A, R) of the whole grid.

        Raises:
            InputError: no image yet, no prompt, or the newest one lies wholly outside the image.
        """
        started = time.perf_counter()
        if self._image is None or self._grid is None:
            raise InputError("no image was given; call start(image, grid) first.")
        if not prompts:
            raise InputError("there is no prompt to answer; mark a point, scribble, box or lasso.")
        talk = PromptedMask(self._image, self._grid, prompts, np.asarray(current, dtype=bool), self.zoom)
        notes, bounded = [], 0.0
        if talk.current_box is None:
            self._begin(talk)
            bounded = self._bound(talk)
        else:
            self._correct(talk)
        box, mask = talk.result()
        if bounded:
            notes.append(first_answer_doubt(bounded))
        if talk.contradictory():
            notes.append("Prompts contradict each other where they overlap; the newest one holds there.")
        if not mask.any():
            notes.append("Nothing was found at this prompt; mark more of the object.")
        milliseconds = 1000 * (time.perf_counter() - started)
        return Answer(box, mask, milliseconds=milliseconds, notes=tuple(notes), bounded=bounded)

    def _begin(self, talk: PromptedMask) -> None:
        """An object nobody has outlined yet: of several scales the one that shows it best, then a window that fits."""
        windows = talk.first_windows()
        talk.take(self._best(talk, windows) if len(windows) > 1 else self._look(talk, windows[0]), pieces="marked")
        fitting = talk.fitting()
        if fitting is not None:
            talk.take(self._look(talk, fitting), pieces="marked")

    def _bound(self, talk: PromptedMask) -> float:
        """The share of the image that a first answer fills where that is implausible, the answer then being exchanged
        for the classical one, which goes as far as rays from the click suggest; else 0."""
        assert self._image is not None
        assert self._grid is not None
        if any(prompt.kind != "point" for prompt in talk.prompts) or not talk.prompts[-1].positive:
            return 0.0
        share = self._shown.share(int(np.count_nonzero(talk.mask)))
        if not is_implausible(share):
            return 0.0
        smaller = ClassicalAnswerer()
        smaller.start(self._image, self._grid)
        answer = smaller.answer(talk.prompts, talk.current)
        talk.begin_with(answer.box, answer.mask)
        return share

    def _best(self, talk: PromptedMask, windows: Sequence[ImageWindow]) -> WindowAnswer:
        """The look of the most worth: every other scale is tried, that which the click suggests among them, then the
        neighbours of the best."""
        likeliest = min(range(len(windows)), key=lambda n: talk.unlikeliness(windows[n]))
        looks = {n: self._look(talk, windows[n]) for n in range(likeliest % 2, len(windows), 2)}
        best = max(looks, key=lambda n: talk.worth(looks[n]))
        looks |= {n: self._look(talk, windows[n]) for n in (best - 1, best + 1) if 0 <= n < len(windows)}
        return max(looks.values(), key=talk.worth)

    def _correct(self, talk: PromptedMask) -> None:
        """A mask and a newer prompt: the object as a whole, then the surroundings of the prompt at a finer scale."""
        window = talk.fitting()
        assert window is not None
        within = talk.reach(window)
        talk.take(self._look(talk, window), pieces="beside", within=within)
        if self.zoom.fine > 1 and window.step[2] > self.zoom.finest:
            millimetres = window.step[2] * talk.spacing[2] / self.zoom.fine
            near = talk.window(talk.newest.box, millimetres)
            talk.take(self._look(talk, near), pieces="beside", margin=0.15, within=within)

    def _look(self, talk: PromptedMask, window: ImageWindow) -> WindowAnswer:
        """What the network says in a window, the prompts obeyed."""
        marks = talk.marks(window)
        channels = network_input(window.read(talk.image), talk.mask_in(window), marks)
        with torch.no_grad():
            logits = self._network(torch.from_numpy(channels[None]))[0, 0].numpy()
        logits = np.where(marks.seeds[0], np.maximum(logits, 1), logits)
        logits = np.where(marks.seeds[1], np.minimum(logits, -1), logits).astype(np.float32)
        return WindowAnswer(window, logits, expected_dice(logits, marks))


def compiled_network(module: nn.Module, runtime: Runtime = "auto") -> TorchNetwork | OpenVINONetwork:
    """The network ready for the CPU: by OpenVINO, kept compiled for the next start, where it is installed and agrees.

    Raises:
        InputError: OpenVINO was asked for and is not installed, or does not give PyTorch's result.
    """
    agreeing = agreeing_openvino([module], channels=len(CHANNELS), runtime=runtime)
    return agreeing[0] if agreeing else TorchNetwork(module)


def _editor_config(bundle: Bundle) -> ConfigParser:
    if bundle.kind != "editor":
        raise InputError(f"the bundle '{bundle.name}' segments by itself and answers no prompts; use lesion_editor.")
    parser = bundle_parser(bundle)
    parser.read_config(str(bundle.root / "configs" / "inference.json"))
    return parser
