import subprocess
import sys

import pytest
import torch
from monai.networks.nets import UNet
from segmentation_cases import balanced

from monai_unet.errors import InputError
from monai_unet.inferers import HaloStripInferer, StreamingSlidingWindowInferer, WholeVolumeInferer, converted
from monai_unet.inferers import runtime as runtimes
from monai_unet.inferers.converted import ConvertedNetwork
from monai_unet.inferers.openvino_core import openvino_module
from monai_unet.inferers.runtime import OpenVINONetwork, TorchNetwork, openvino_installed, require_precision
from monai_unet.networks import build_unet

CPU = torch.device("cpu")
needs_openvino = pytest.mark.skipif(not openvino_installed(), reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def ours():
    return balanced(build_unet("residual_unet", out_channels=3, channels=[8, 16, 32]), channels=1).eval()


@needs_openvino
@torch.no_grad()
def test_openvino_gives_the_labels_of_pytorch_for_every_size(ours, tmp_path):
    compiled = OpenVINONetwork(ours, channels=1, cache=tmp_path)
    assert compiled.check() < 1e-3
    for shape in ((40, 33, 21), (16, 48, 30)):
        image = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(1))
        for inferer in (WholeVolumeInferer([2]), StreamingSlidingWindowInferer((16, 16, 16)), HaloStripInferer(16)):
            labels, expected = (inferer(image, network).argmax(1) for network in (compiled, ours))
            assert (labels == expected).float().mean() >= 0.9999
    assert len(compiled._compiled) == 1


@needs_openvino
@torch.no_grad()
def test_openvino_runs_a_network_that_declares_nothing_shape_by_shape():
    network = balanced(UNet(3, 1, 2, (4, 8, 8), (2, 2), norm="batch"), channels=1).eval()
    compiled = OpenVINONetwork(network, channels=1)
    for shape in ((2, 1, 16, 16, 16), (3, 1, 16, 16, 16), (2, 1, 24, 16, 8)):
        tiles = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(compiled(tiles), network(tiles), atol=1e-4, rtol=1e-3)


@needs_openvino
def test_a_network_is_converted_once_and_another_anew(ours, tmp_path, monkeypatch):
    openvino = openvino_module()
    conversions, convert = [], openvino.convert_model
    monkeypatch.setattr(openvino, "convert_model", lambda *a, **k: conversions.append(1) or convert(*a, **k))
    image = torch.randn(1, 1, 24, 16, 16, generator=torch.Generator().manual_seed(1))

    def answer(network):
        compiled = OpenVINONetwork(network, channels=1, cache=tmp_path)
        assert compiled.check() < 1e-3
        return compiled(image)

    first, again = answer(ours), answer(ours)
    assert len(conversions) == 1
    torch.testing.assert_close(first, again)
    other = balanced(build_unet("residual_unet", out_channels=3, channels=[8, 16, 32]), channels=1).eval()
    other.load_state_dict({name: 1.5 * tensor for name, tensor in ours.state_dict().items()})
    with torch.no_grad():
        torch.testing.assert_close(answer(other), other(image), atol=1e-3, rtol=1e-3)
    assert len(conversions) == 2
    assert len(list(tmp_path.glob("*.xml"))) == len(list(tmp_path.glob("*.bin"))) == 2


@needs_openvino
@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_kept_network_that_is_damaged_or_of_other_weights_is_not_used(ours, tmp_path, damage):
    other = balanced(build_unet("residual_unet", out_channels=3, channels=[8, 16, 32]), channels=1).eval()
    other.load_state_dict({name: 1.5 * tensor for name, tensor in ours.state_dict().items()})
    OpenVINONetwork(other, channels=1, cache=tmp_path / "other").check()
    OpenVINONetwork(ours, channels=1, cache=tmp_path / "ours").check()
    (file,), (wrong,) = ((tmp_path / name).glob("*.xml") for name in ("ours", "other"))
    for blob in file.parent.glob("*.blob"):
        blob.unlink()
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:1000])
    else:
        for suffix in (".xml", ".bin"):
            file.with_suffix(suffix).write_bytes(wrong.with_suffix(suffix).read_bytes())
    compiled = OpenVINONetwork(ours, channels=1, cache=file.parent)
    assert compiled.check() < 1e-3
    image = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(compiled(image), ours(image), atol=1e-3, rtol=1e-3)


@needs_openvino
def test_a_folder_that_cannot_be_written_is_done_without(ours, tmp_path):
    (tmp_path / "file").write_text("no folder")
    compiled = OpenVINONetwork(ours, channels=1, cache=tmp_path / "file")
    assert compiled.check() < 1e-3
    assert compiled(torch.zeros(1, 1, 16, 16, 16)).shape == (1, 3, 16, 16, 16)


@needs_openvino
def test_a_damaged_file_that_cannot_be_removed_is_not_used_either(ours, tmp_path, monkeypatch):
    OpenVINONetwork(ours, channels=1, cache=tmp_path).check()
    (file,) = tmp_path.glob("*.xml")
    file.write_bytes(file.read_bytes()[:1000])
    monkeypatch.setattr(ConvertedNetwork, "forget", lambda self: None)
    compiled = OpenVINONetwork(ours, channels=1, cache=tmp_path)
    assert compiled.check() < 1e-3
    assert compiled._stride is not None


@needs_openvino
def test_of_kept_networks_those_not_used_for_longest_go(ours, tmp_path, monkeypatch):
    monkeypatch.setattr(converted, "KEPT", 2)
    networks = []
    for number in range(3):
        network = balanced(build_unet("residual_unet", out_channels=3, channels=[8, 16, 32]), channels=1).eval()
        network.load_state_dict({name: (1 + number) * tensor for name, tensor in ours.state_dict().items()})
        networks.append(network)
    for number in (0, 1, 0, 2):
        OpenVINONetwork(networks[number], channels=1, cache=tmp_path).check()
    there = [ConvertedNetwork(tmp_path, network).there for network in networks]
    assert there == [True, False, True]
    assert len(list(tmp_path.glob("*.bin"))) == 2


TWO_NETWORKS_GO = """
import signal, sys, threading
import torch
from monai_unet.inferers.openvino_core import openvino_module
from monai_unet.inferers.runtime import OpenVINONetwork


def compiled():
    network = OpenVINONetwork(torch.nn.Conv3d(1, 1, 1).eval(), channels=1)
    network(torch.zeros(1, 1, 8, 8, 8))
    return network


networks = [compiled(), compiled()]
if sys.argv[1] == "elsewhere":
    thread = threading.Thread(target=networks.clear)
    thread.start()
    thread.join()
while networks:
    networks.pop(0)
signal.signal(signal.SIGINT, lambda *_: print("handled"))
signal.raise_signal(signal.SIGINT)
"""


@needs_openvino
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_signals_are_handled_after_compiled_networks_are_gone(where):
    command = [sys.executable, "-W", "ignore", "-c", TWO_NETWORKS_GO, where]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


@needs_openvino
def test_a_compiled_network_with_instance_statistics_is_refused_too():
    compiled = OpenVINONetwork(build_unet("unet", norm="instance", channels=[4, 8]).eval(), channels=1)
    with pytest.raises(InputError, match="InstanceNorm3d"):
        WholeVolumeInferer()(torch.zeros(1, 1, 16, 16, 16), compiled)


def test_bf16_is_refused_on_a_processor_without_it(ours, monkeypatch):
    monkeypatch.setattr(runtimes, "cpu_has_bf16", lambda: False)
    with pytest.raises(InputError, match="avx512_bf16"):
        TorchNetwork(ours, precision="bf16")
    monkeypatch.setattr(runtimes, "cpu_has_bf16", lambda: True)
    require_precision(CPU, "bf16")


def test_fp16_is_refused_on_the_cpu():
    with pytest.raises(InputError, match="fp32"):
        require_precision(CPU, "fp16")
