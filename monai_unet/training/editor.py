"""Training of the editor with a simulated user: every round of every conversation is a training step.

Several processes may train together (`torchrun`): each has conversations of its own, and their gradients are averaged.

A pool of conversations is kept. In each step a few of them are answered with gradients; the simulated user then looks
at each answer and marks its largest error, so that the network learns from its own mistakes (Liu et al. 2022,
"iSegFormer"; Isensee et al. 2025, arXiv:2503.08373).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from monai_unet.bundle_format import read_tensors
from monai_unet.interaction import Mark, first_box, first_lasso, next_click, scribble
from monai_unet.interaction.answering import DrawnPrompts, network_input
from monai_unet.io import atomic_path, claim_names
from monai_unet.mappings import Json
from monai_unet.training.editor_windows import EditorWindows
from monai_unet.training.faulty_masks import faulty_mask, nearly_right_mask
from monai_unet.training.invented_windows import Sample
from monai_unet.training.weight_average import WeightAverage

logger = logging.getLogger(__name__)

LAST, SHIPPED = "last.pt", "model.pt"
STARTS = {"point": 0.46, "box": 0.08, "lasso": 0.04, "scribble": 0.05, "mask": 0.12, "result": 0.25}
"""How a conversation begins: with one mark on an empty mask, or with the first correction of a faulty mask or of a
nearly right one, such as a good automatic result."""

UNSIZED = 0.8
"""Share of the conversations begun by a point whose window has any scale: nobody knows the object's size yet."""

WRONG, SCRIBBLED = 0.03, 0.1
"""Share of corrections that are marked the wrong way round (and corrected later), and of those that are scribbles."""


@dataclass(eq=False)
class Conversation:
    """One object and what was said about it so far."""

    sample: Sample
    marks: DrawnPrompts
    mask: NDArray[np.float32]
    rounds: int
    done: int = 0

    def network_input(self) -> NDArray[np.float32]:
        """(channels, *size)"""
        return network_input(self.sample.image, self.mask, self.marks)


@dataclass(frozen=True, eq=False)
class EditorBatch:
    """The conversations of a step: their places in the pool, inputs (N, channels, *size), and targets and what of the
    windows lies in the image (N, 1, *size)."""

    chosen: list[int]
    inputs: Tensor
    targets: Tensor
    known: Tensor


class EditorTraining:
    """Trains an editor network; call `run`.

    Args:
        network: takes `guidance.CHANNELS`, returns one logit per voxel.
        windows: where the training windows come from.
        output_dir: gets `last.pt` (resumable), `model.pt` (averaged weights) and `history.jsonl`.
        steps: optimisation steps of the whole run.
        minutes: stop the run after this wall time instead, with the learning rate following time; 0: by steps.
        batch_size, pool: conversations per step and kept at once (twice `batch_size` at least).
        rounds: marks that a conversation gets at most.
        learning_rate, weight_decay, ema_decay: of AdamW and of the weight average.
        resume: go on from `last.pt` of `output_dir` where there is one.
        seed: of everything drawn.
        amp: compute in bfloat16 where that is exact enough (on a GPU).

    Where `torch.distributed` is initialised, `batch_size` and `pool` are those of each process, and one writes.
    """

    def __init__(
        self,
        network: nn.Module,
        windows: EditorWindows,
        *,
        output_dir: str | Path,
        steps: int = 2000,
        minutes: float = 0.0,
        batch_size: int = 6,
        pool: int = 24,
        rounds: int = 8,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        ema_decay: float = 0.998,
        resume: bool = False,
        seed: int = 0,
        amp: bool = False,
    ) -> None:
        self.network, self.windows, self.output_dir = network, windows, Path(output_dir)
        self.amp = amp
        # gloo, not NCCL: processes may share one GPU; each keeps its own batch statistics, the first one's are saved
        self.together = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if self.together else 0
        self._prepared: EditorBatch | None = None
        self.steps, self.minutes, self.batch_size, self.rounds = steps, minutes, batch_size, rounds
        self.learning_rate = learning_rate
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
        self.average = WeightAverage(network, decay=ema_decay)
        self.step, self.seconds = 0, 0.0
        if resume and (self.output_dir / LAST).is_file():
            self._load()
        elif not self.rank:
            claim_names(self.output_dir, (LAST, SHIPPED), hint="or go on with it (--resume true)")
        self.random = np.random.default_rng([seed, self.step, self.rank])
        self.device = next(network.parameters()).device
        # while some conversations are answered the next ones are prepared
        self.pool = [self._begin() for _ in range(max(pool, 2 * batch_size))]
        self._scores: list[tuple[int, float, float]] = []

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1."""
        return self.seconds / (60 * self.minutes) if self.minutes else self.step / max(1, self.steps)

    def run(self, *, save_every: int = 100) -> None:
        """Train until the end; saves every so many steps and at the end."""
        self.output_dir.mkdir(parents=True, exist_ok=True)
        self.network.train()
        if self.together:  # all begin with the weights of the first
            for tensor in self.network.state_dict().values():
                _broadcast(tensor)
        before = time.monotonic()
        while self.progress < 1:
            self._set_learning_rate()
            self._train_step()
            now = time.monotonic()
            self.seconds, before = self.seconds + now - before, now
            if self.together:  # all go by the clock of the first, to end at the same step
                clock = torch.tensor([self.seconds], dtype=torch.float64)
                _broadcast(clock)
                self.seconds = float(clock)
            if self.step % save_every == 0:
                self.save()
        self.save()

    def save(self) -> None:
        """Write `last.pt`, `model.pt` and a line of history."""
        if self.rank:
            self._scores = []
            return
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.model.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        # weights are read on computers without a GPU
        shipped = {name: tensor.cpu() for name, tensor in self.average.average.state_dict().items()}
        for name, content in ((LAST, state), (SHIPPED, shipped)):
            with atomic_path(self.output_dir / name) as temporary:
                torch.save(content, temporary)
        self._report()

    def _load(self) -> None:
        state = read_tensors(self.output_dir / LAST)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.model.load_state_dict(state["average"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])

    def _set_learning_rate(self) -> None:
        """Linear warm-up over 50 steps, then polynomial decay."""
        rate = self.learning_rate * min(1.0, (self.step + 1) / 50) * max(0.0, 1 - self.progress) ** 0.9
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _prepare(self, busy: Sequence[int] = ()) -> EditorBatch:
        """What the network is asked next: conversations that are not `busy`, their inputs and their targets."""
        free = np.setdiff1d(np.arange(len(self.pool)), busy)
        chosen = self.random.choice(free, self.batch_size, replace=False).tolist()
        talks = [self.pool[i] for i in chosen]
        inputs = torch.from_numpy(np.stack([talk.network_input() for talk in talks]))
        targets = torch.from_numpy(np.stack([talk.sample.target for talk in talks])[:, None]).float()
        known = torch.from_numpy(np.stack([_known(talk.sample) for talk in talks])[:, None]).float()
        return EditorBatch(chosen, inputs.contiguous(memory_format=torch.channels_last_3d), targets, known)

    def _train_step(self) -> None:
        batch = self._prepared or self._prepare()
        inputs, targets, known = (t.to(self.device) for t in (batch.inputs, batch.targets, batch.known))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            logits = self.network(inputs)
        logits = logits.float()
        loss = editor_loss(logits, targets, known)
        self.optimizer.zero_grad(set_to_none=True)
        loss.mean().backward()
        self._prepared = self._prepare(busy=batch.chosen)  # a GPU computes meanwhile
        losses = loss.tolist()
        if not np.isfinite(losses).all():
            raise RuntimeError(f"the loss became {np.mean(losses)} at step {self.step}; lower the learning rate.")
        if self.together:
            average_gradients(self.network)
        # in bfloat16 a gradient is now and then not finite (three times in 1,100 steps on a CPU): its step is left out
        if torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0).isfinite():
            self.optimizer.step()
            self.average.model.update_parameters(self.network)
        else:
            logger.warning("no finite gradient at step %d, left out", self.step)
        self.step += 1
        answers = (logits.detach()[:, 0] > 0).cpu().numpy()
        for index, answer, lost in zip(batch.chosen, answers, losses, strict=True):
            if not self._reply(self.pool[index], answer, lost):
                self.pool[index] = self._begin()

    def _reply(self, talk: Conversation, answer: NDArray[np.bool_], loss: float) -> bool:
        """Let the simulated user look at an answer; False where the conversation is over."""
        answer[talk.marks.seeds[0]], answer[talk.marks.seeds[1]] = True, False
        answer &= _known(talk.sample)
        target = talk.sample.target
        self._scores.append((talk.done, 2 * (answer & target).sum() / max(1, answer.sum() + target.sum()), loss))
        talk.mask, talk.done = answer.astype(np.float32), talk.done + 1
        if talk.done >= talk.rounds:
            return False
        mark = self._correction(answer, talk.sample)
        if mark is None:
            return False
        _add(talk.marks, mark)
        return True

    def _correction(self, answer: NDArray[np.bool_], sample: Sample) -> Mark | None:
        target, careful = sample.target, self.random.random() < 0.5
        mark = next_click(answer, target, sample.spacing, random=None if careful else self.random)
        if mark is None or (answer != target).sum() < 5:
            return None
        chance = self.random.random()
        if chance < WRONG:
            return Mark("point", not mark.positive, mark.positions)
        if chance < WRONG + SCRIBBLED:
            wanted = (target & ~answer) if mark.positive else (answer & ~target)
            return scribble(wanted, self.random, positive=mark.positive) or mark
        return mark

    def _begin(self) -> Conversation:
        """A new object with its first mark."""
        start = self.random.choice(list(STARTS), p=list(STARTS.values()))
        sized = start != "point" or self.random.random() >= UNSIZED
        sample = self.windows.draw(self.random, sized=sized)
        target, empty = sample.target, np.zeros(sample.target.shape, dtype=np.float32)
        # a window of the wrong scale is looked through for the first answer only
        most = self.rounds if sized else 2
        talk = Conversation(sample, DrawnPrompts(target.shape), empty, int(self.random.integers(1, most + 1)))
        mark: Mark | None = None
        if start == "box":
            mark = first_box(target, self.random, flat=self.random.random() < 0.5)
        elif start == "lasso":
            mark = first_lasso(target, self.random)
        elif start == "scribble":
            mark = scribble(target, self.random, positive=True)
        elif start in ("mask", "result"):
            faulty = nearly_right_mask(sample, self.random) if start == "result" else faulty_mask(target, self.random)
            faulty &= _known(sample)
            talk.mask = faulty.astype(np.float32)
            mark = self._correction(faulty, sample)
            if mark is None:
                talk.mask = empty
        if mark is None and sample.click is not None and self.random.random() < 0.9:
            mark = Mark("point", True, sample.click[None])
        mark = mark or next_click(empty > 0, target, random=self.random)
        if mark is not None:
            _add(talk.marks, mark)
        return talk

    def _report(self) -> None:
        """One line of history: mean Dice by number of marks since the last line."""
        if not self._scores:
            return
        table = np.array(self._scores)
        dice = {int(n) + 1: round(float(table[table[:, 0] == n, 1].mean()), 3) for n in np.unique(table[:, 0])}
        loss, self._scores = float(table[:, 2].mean()), []
        line: Json = {
            "step": self.step,
            "minutes": round(self.seconds / 60, 1),
            "loss": round(loss, 4),
            "dice": dice,
        }
        logger.info("%s", json.dumps(line))
        with (self.output_dir / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def average_gradients(network: nn.Module) -> None:
    """The mean of the processes' gradients, in place; exchanged in one piece."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    shared = flat.cpu()
    distributed.all_reduce(shared)
    flat = (shared / distributed.get_world_size()).to(flat.device)
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def _broadcast(tensor: Tensor) -> None:
    """The first process's tensor, in place, over gloo whatever the device."""
    shared = tensor.detach().cpu()
    distributed.broadcast(shared, src=0)
    tensor.detach().copy_(shared)


def editor_loss(logits: Tensor, targets: Tensor, known: Tensor | None = None) -> Tensor:
    """(N,) cross-entropy plus soft Dice of each window, from logits and targets (N, 1, *size).

    `known` (same shape, 0 or 1) says which voxels count; by default all.
    """
    axes = (1, 2, 3, 4)
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    likely = logits.sigmoid()
    if known is None:
        entropy = entropy.mean(axes)
    else:
        entropy, likely = (entropy * known).sum(axes) / known.sum(axes).clamp(min=1), likely * known
    overlap = (2 * (likely * targets).sum(axes) + 1) / (likely.sum(axes) + targets.sum(axes) + 1)
    return 2 * entropy + 1 - overlap


def _known(sample: Sample) -> NDArray[np.bool_]:
    """The voxels of a window that lie in its image."""
    return np.ones(sample.target.shape, dtype=bool) if sample.known is None else sample.known


def _add(marks: DrawnPrompts, mark: Mark) -> None:
    marks.add(mark.kind, mark.positive, mark.positions, axis=mark.axis)
