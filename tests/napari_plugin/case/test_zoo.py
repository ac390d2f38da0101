"""Bundles of the Model Zoo, from a zoo on this machine: list, download, licence; nothing half-installed."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_server import served

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.trust import is_trusted
from monai_unet.errors import InputError
from napari_plugin.case import zoo

METADATA = {"copyright": "Copyright (c) somebody", "network_data_format": {"inputs": {"image": {"num_channels": 1}}}}


def write_archive(path: Path, name: str, *, metadata: dict | None = METADATA) -> str:
    """A bundle's archive as the zoo packs it; returns its SHA-1."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/LICENSE", "Apache License 2.0, in full")
        archive.writestr(f"{name}/models/model.pt", b"0" * 600_000)
        if metadata is not None:
            archive.writestr(f"{name}/configs/metadata.json", json.dumps(metadata))
    return hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Address of a zoo with a good bundle in two versions, a damaged one, one that is no bundle, and other tasks."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    with served(folder) as address:
        good = write_archive(folder / "new.zip", "spleen_ct_segmentation")
        no_bundle = write_archive(folder / "none.zip", "none_segmentation", metadata=None)
        broken = write_archive(folder / "broken.zip", "broken_segmentation", metadata={"network_data_format": 1})
        listing = {
            "spleen_ct_segmentation_v0.9.9": {"checksum": "0", "source": f"{address}/old.zip"},
            "spleen_ct_segmentation_v0.10.0": {"checksum": good, "source": f"{address}/new.zip"},
            "damaged_segmentation_v0.1.0": {"checksum": "0" * 40, "source": f"{address}/new.zip"},
            "broken_segmentation_v0.1.0": {"checksum": broken, "source": f"{address}/broken.zip"},
            "none_segmentation_v0.1.0": {"checksum": no_bundle, "source": f"{address}/none.zip"},
            "lung_nodule_ct_detection_v0.1.0": {"checksum": good, "source": f"{address}/new.zip"},
        }
        (folder / "model_info.json").write_text(json.dumps(listing))
        yield f"{address}/model_info.json"


def model(index: str, name: str) -> zoo.ZooModel:
    return next(found for found in zoo.list_models(index) if found.name == name)


def finished(steps: object) -> tuple[list[tuple[int, int]], Bundle]:
    said = []
    while True:
        try:
            said.append(next(steps))  # type: ignore[call-overload]
        except StopIteration as end:
            return said, end.value


def test_list_has_the_newest_version_of_what_segments(index: str) -> None:
    # 0.10.0 is newer than 0.9.9, though not in the order of letters
    assert [(found.name, found.version) for found in zoo.list_models(index)] == [
        ("broken_segmentation", "0.1.0"),
        ("damaged_segmentation", "0.1.0"),
        ("none_segmentation", "0.1.0"),
        ("spleen_ct_segmentation", "0.10.0"),
    ]


def test_download_is_a_bundle_that_may_not_run_yet_with_its_licence(index: str, tmp_path: Path) -> None:
    said, bundle = finished(zoo.download(model(index, "spleen_ct_segmentation"), tmp_path / "bundles"))
    assert bundle.root == tmp_path / "bundles" / "spleen_ct_segmentation"
    assert bundle.has_weights
    assert not is_trusted(bundle)
    size = (tmp_path / "zoo" / "new.zip").stat().st_size
    assert said[-1] == (size, size)
    licence = zoo.licence_of(bundle)
    assert "Copyright (c) somebody" in licence
    assert "Apache License 2.0, in full" in licence
    assert list((tmp_path / "bundles").iterdir()) == [bundle.root]
    with pytest.raises(InputError, match="is there already"):
        next(zoo.download(model(index, "spleen_ct_segmentation"), tmp_path / "bundles"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("damaged_segmentation", "not the file"),
        ("none_segmentation", "no MONAI bundle"),
        (
            "broken_segmentation",
            "was not installed: broken_segmentation/configs/metadata.json: 'network_data_format' must",
        ),
    ],
)
def test_wrong_download_installs_nothing(index: str, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        finished(zoo.download(model(index, name), tmp_path / "bundles"))
    assert list((tmp_path / "bundles").iterdir()) == []


def test_stopped_download_leaves_nothing(index: str, tmp_path: Path) -> None:
    steps = zoo.download(model(index, "spleen_ct_segmentation"), tmp_path / "bundles")
    next(steps)
    assert list((tmp_path / "bundles").iterdir()) != []
    steps.close()
    assert list((tmp_path / "bundles").iterdir()) == []


def test_zoo_out_of_reach_is_a_sentence(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        pass
    with pytest.raises(InputError, match=r"cannot be reached .*check the network"):
        zoo.list_models(f"{address}/model_info.json")
    with pytest.raises(InputError, match="cannot be reached"):
        finished(zoo.download(zoo.ZooModel("x", "1", f"{address}/x.zip", ""), tmp_path / "bundles"))
    assert list((tmp_path / "bundles").iterdir()) == []


def test_bundle_without_a_licence_says_so(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    assert "states no licence" in zoo.licence_of(Bundle("b", tmp_path, built_in=False))
