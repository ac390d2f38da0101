"""`history.csv` of a run that was killed between an epoch's line and its checkpoint."""

from ignite.engine import Engine

from monai_unet.training.history import COLUMNS, History


def test_an_epoch_that_is_trained_again_has_one_line_and_a_line_cut_short_none(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,learning_rate,seconds,validation\n1,0.9,0.1,1,\n2,0.8,0.1,1,0.5\n3,0.7,0.1,1,\n4,0.")
    history = History(tmp_path, Engine(lambda engine, batch: None))
    for epoch, loss in ((2, 0.81), (3, 0.71)):
        history._write(dict(zip(COLUMNS, (epoch, loss, "0.1", 1.0, ""), strict=True)))
    assert path.read_text().splitlines()[1:] == ["1,0.9,0.1,1,", "2,0.81,0.1,1.0,", "3,0.71,0.1,1.0,"]
