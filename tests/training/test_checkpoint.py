import os
import signal
from pathlib import Path

import pytest
import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import ValidationHandler
from monai.transforms import Compose, RandGaussianNoised
from torch import nn
from torch.utils.data import DataLoader

from monai_unet.errors import InputError
from monai_unet.training import (
    History,
    SeededDataset,
    StepControl,
    TrainingCheckpoint,
    WeightAverage,
    build_loss,
    mean_class_dice,
    training_loader,
    warmup_polynomial,
)

EPOCHS = 3


def _trainer(folder: Path, *, resume: str = "", overwrite: bool = False, extra=()):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(6, 1, 4, 4, 4, generator=generator)
    cases = [{"image": image, "label": (image > 0.5).float()} for image in images]
    data = SeededDataset(cases, Compose([RandGaussianNoised("image", prob=1.0, std=0.1)]))
    loader = training_loader(data, batch_size=2)
    network = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4), nn.Dropout(0.2), nn.Conv3d(4, 2, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    scheduler = warmup_polynomial(optimizer, total_steps=EPOCHS * len(loader))
    average = WeightAverage(network, decay=0.9)
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(cases[:2], batch_size=1),
        network=average.average,
        postprocessing=lambda data: {**data, "pred": data["pred"].argmax(0, keepdim=True)},
        key_val_metric={"mean_dice": mean_class_dice(2)},
    )
    handlers = [
        StepControl(network, scheduler, average=average),
        ValidationHandler(1, evaluator),
        History(folder, evaluator),
        TrainingCheckpoint(
            folder,
            network=network,
            optimizer=optimizer,
            scheduler=scheduler,
            sampler=loader.sampler,
            average=average,
            evaluator=evaluator,
            resume=resume,
            overwrite=overwrite,
        ),
    ]
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=EPOCHS,
        train_data_loader=loader,
        network=network,
        optimizer=optimizer,
        loss_function=build_loss("dice_ce"),
        train_handlers=[*handlers, *extra],
        decollate=False,
    )
    return trainer


class _Terminate:
    """Sends the process a SIGTERM in the middle of an epoch."""

    def __init__(self, iteration):
        self.iteration = iteration

    def attach(self, engine):
        from ignite.engine import Events

        engine.add_event_handler(Events.ITERATION_STARTED(once=self.iteration), os.kill, os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True)
def _restore_signal():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("iteration", [3, 5], ids=["at the end of an epoch", "in the middle of an epoch"])
def test_a_run_stopped_by_sigterm_and_resumed_ends_as_the_unbroken_one(tmp_path, iteration):
    handler = signal.getsignal(signal.SIGTERM)
    _trainer(tmp_path / "whole").run()
    stopped = _trainer(tmp_path / "broken", extra=[_Terminate(iteration)])
    stopped.run()
    assert signal.getsignal(signal.SIGTERM) == handler
    assert stopped.state.iteration == iteration
    assert stopped.state.stopped_by == signal.SIGTERM
    _trainer(tmp_path / "broken", resume="auto").run()
    whole, resumed = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "broken"))
    for part in ("network", "average"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, resumed[part][name]), (part, name)
    assert whole["trainer"] == resumed["trainer"]
    assert whole["best"] == resumed["best"]


def test_best_is_a_plain_state_dict_of_the_averaged_network(tmp_path):
    trainer = _trainer(tmp_path)
    trainer.run()
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert best.keys() == trainer.network.state_dict().keys()


def test_nothing_partial_is_left(tmp_path):
    _trainer(tmp_path).run()
    assert {p.name for p in tmp_path.iterdir()} == {"last.pt", "best.pt", "history.csv", "tensorboard"}
    rows = (tmp_path / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + EPOCHS


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "last.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match=r"last\.pt cannot be read as weights: it is damaged"):
        _trainer(tmp_path, resume="auto").run()


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist; --resume takes"):
        _trainer(tmp_path, resume=str(tmp_path / "nowhere")).run()


def test_a_finished_run_is_not_destroyed_by_the_same_command(tmp_path):
    _trainer(tmp_path / "run").run()
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    for resume in ("", str(tmp_path / "other")):
        if resume:
            _trainer(tmp_path / "other").run()
        with pytest.raises(InputError, match=r"holds a run already \(last\.pt\).*--resume auto"):
            _trainer(tmp_path / "run", resume=resume)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == before


def test_an_explicit_overwrite_begins_weights_and_history_anew(tmp_path):
    _trainer(tmp_path).run()
    _trainer(tmp_path, overwrite=True)
    assert (tmp_path / "best.pt").is_file(), "nothing goes before the run begins"
    _trainer(tmp_path, overwrite=True).run()
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + EPOCHS


def test_a_run_killed_before_its_first_checkpoint_begins_again_with_resume(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss,learning_rate,seconds,validation\n1,1,1,1,\n")
    with pytest.raises(InputError, match="holds a run already"):
        _trainer(tmp_path)
    _trainer(tmp_path, resume="auto").run()
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + EPOCHS


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    trainer = _trainer(tmp_path)
    trainer.loss_function = lambda prediction, label: prediction.mean() * float("nan")
    with pytest.raises(RuntimeError, match="the loss became nan at iteration 1"):
        trainer.run()
