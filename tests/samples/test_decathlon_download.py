import hashlib
import json
import tarfile

import pytest
from decathlon_phantom import make_dataset
from local_server import served

from monai_unet.errors import InputError
from monai_unet.samples.decathlon_download import download


def _archive(folder):
    source = make_dataset(folder / "Task02_Heart", training=10, validation=0, test=0)
    dataset = json.loads((source / "dataset.json").read_text())
    dataset["test"] = ["./imagesTs/case_20.nii.gz"]
    (source / "dataset.json").write_text(json.dumps(dataset))
    with tarfile.open(folder / "Task02_Heart.tar", "w") as tar:
        tar.add(source, "Task02_Heart")
    return folder / "Task02_Heart.tar"


def test_an_archive_is_fetched_checked_unpacked_and_split_with_labels(tmp_path):
    archive = _archive(tmp_path)
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    with served(tmp_path) as address:
        folder = download("Task02_Heart", tmp_path / "data", url=f"{address}/{archive.name}", md5=md5)
    dataset = json.loads((folder / "dataset.json").read_text())
    assert [len(dataset[key]) for key in ("training", "validation", "test")] == [7, 1, 2]
    names = [case["image"] for key in ("training", "validation", "test") for case in dataset[key]]
    assert len(set(names)) == 10
    assert all((folder / case["label"]).is_file() for case in dataset["test"])
    published = json.loads((folder / "dataset_published.json").read_text())
    assert published["test"] == ["./imagesTs/case_20.nii.gz"]
    again = download("Task02_Heart", tmp_path / "data", url="http://127.0.0.1:9/nowhere.tar")
    assert json.loads((again / "dataset.json").read_text()) == dataset


def test_a_damaged_archive_is_refused(tmp_path):
    archive = _archive(tmp_path)
    with served(tmp_path) as address, pytest.raises(InputError, match="could not be downloaded"):
        download("Task02_Heart", tmp_path / "data", url=f"{address}/{archive.name}", md5="0" * 32)


def test_no_network_is_named(tmp_path):
    with pytest.raises(InputError, match="check the network"):
        download("Task02_Heart", tmp_path, url="http://127.0.0.1:9/nowhere.tar", md5="0" * 32)


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="Task04_Hippocampus"):
        download("Task99_Elbow", tmp_path)
