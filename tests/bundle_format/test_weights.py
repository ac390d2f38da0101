import hashlib
import pickle

import pytest
import torch
import yaml
from safetensors.torch import save_file

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.weights import check_stated_hash, load_weights
from monai_unet.errors import InputError


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path):
    torch.save({"weight": Payload(tmp_path / "ran")}, tmp_path / "model.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    for name in ("model.pt", "plain.pt"):
        with pytest.raises(InputError, match="can run code"):
            load_weights(torch.nn.Linear(2, 2), tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"model": s, "epoch": 3}, lambda s: {"state_dict": s}])
def test_plain_and_nested_state_dicts_are_loaded(tmp_path, wrap):
    source, target = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    torch.save(wrap(source.state_dict()), tmp_path / "model.pt")
    load_weights(target, tmp_path / "model.pt")
    assert torch.equal(source.weight, target.weight)


def test_safetensors_are_loaded(tmp_path):
    source, target = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    load_weights(target, tmp_path / "model.safetensors")
    assert torch.equal(source.weight, target.weight)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "model.pt")
    with pytest.raises(InputError, match="another network"):
        load_weights(torch.nn.Linear(4, 3), tmp_path / "model.pt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_weights(torch.nn.Linear(2, 3), tmp_path / "model.pt")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_weights_that_differ_from_the_stated_hash_are_refused(tmp_path, algorithm):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "model.pt"
    path.write_bytes(b"weights")
    entry = {
        "path": "models/model.pt",
        "url": "https://example.org/model.pt",
        "hash_type": algorithm,
        "hash_val": hashlib.new(algorithm, b"weights").hexdigest(),
    }
    (tmp_path / "large_files.yml").write_text(yaml.safe_dump({"large_files": [entry]}))
    bundle = Bundle("bundle", tmp_path, built_in=False)
    check_stated_hash(bundle, path)
    path.write_bytes(b"others")
    with pytest.raises(InputError, match="download it again"):
        check_stated_hash(bundle, path)
