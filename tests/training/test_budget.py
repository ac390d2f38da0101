"""A time budget stops the training, validates its end, drives the learning rate and survives a resumption."""

from __future__ import annotations

import io

import pytest
import torch
from ignite.engine import Engine, Events

from monai_unet.errors import InputError
from monai_unet.training import budget as module
from monai_unet.training.budget import TimeBudget, budget_schedule


class Clock:
    """Tells what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module, "_now", lambda: self.now)


class Evaluator:
    def __init__(self, clock: Clock) -> None:
        self.clock, self.epochs = clock, []

    def run(self, epoch: int) -> None:
        self.epochs.append(epoch)
        self.clock.now += 1000


def trainer(clock: Clock, optimizer: torch.optim.Optimizer, budget: TimeBudget) -> tuple[Engine, list[float]]:
    schedule, rates = budget_schedule(optimizer, budget), []

    def step(engine: Engine, batch: int) -> None:
        clock.now += 2.0
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()

    engine = Engine(step)
    budget.attach(engine)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: schedule.step())
    return engine, rates


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def test_training_ends_inside_an_epoch_and_that_epoch_is_completed_and_validated(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    clock = Clock(monkeypatch)
    evaluator = Evaluator(clock)
    budget = TimeBudget(27, evaluator=evaluator, output_dir=tmp_path, val_interval=2)  # type: ignore[arg-type]
    engine, _ = trainer(clock, sgd(), budget)
    completed = []
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: completed.append(engine.state.epoch))
    engine.run(range(5), max_epochs=1000)
    assert engine.state.iteration == 14  # 14 steps of 2 s reach 27 s; 5 + 5 + 4
    assert completed == [1, 2, 3]
    assert evaluator.epochs == [3]  # 3 is no multiple of 2: nobody else would have validated it
    assert (tmp_path / "budget.csv").read_text().split() == ["1,5,10.0", "2,10,20.0", "3,14,28.0"]


def test_the_time_between_epochs_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    budget = TimeBudget(100)
    engine, _ = trainer(clock, sgd(), budget)

    def validate() -> None:
        clock.now += 500

    engine.add_event_handler(Events.EPOCH_COMPLETED, validate)
    engine.run(range(5), max_epochs=3)
    assert budget.spent == 30


def test_the_learning_rate_rises_for_a_twentieth_of_the_budget_and_then_falls_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    engine, rates = trainer(clock, sgd(), TimeBudget(200))
    engine.run(range(20), max_epochs=1000)
    assert len(rates) == 100
    assert rates[:6] == pytest.approx([0.01, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[52] == pytest.approx((1 - (2 * 52 - 10) / 190) ** 0.9)
    assert rates[-1] < 0.02


def test_a_resumed_training_has_only_the_rest_of_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    budget, optimizer = TimeBudget(40), sgd()
    schedule = budget_schedule(optimizer, budget)
    budget.factor.spent = 30.0
    saved = schedule.state_dict()
    path = io.BytesIO()
    torch.save(saved, path)
    path.seek(0)
    again, optimizer = TimeBudget(40), sgd()
    budget_schedule(optimizer, again).load_state_dict(torch.load(path, weights_only=True))
    engine, _ = trainer(clock, optimizer, again)
    engine.run(range(100), max_epochs=10)
    assert engine.state.iteration == 5


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_budget_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="positive number of seconds"):
        TimeBudget(seconds)
