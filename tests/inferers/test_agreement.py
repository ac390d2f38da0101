"""Whether a converted network may stand in for PyTorch is decided once, for volumes and for clicks alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from monai_unet.errors import InputError
from monai_unet.inferers import TorchNetwork, agreement
from monai_unet.inferers.agreement import agreeing_openvino, require_runtime
from monai_unet.interaction.answering.network import compiled_network

needs_openvino = pytest.mark.skipif(not agreement.openvino_installed(), reason="OpenVINO is not installed")


def networks(monkeypatch: pytest.MonkeyPatch, *differences: float | Exception) -> list[nn.Module]:
    """Modules whose conversions differ from PyTorch by so much, or cannot be made."""
    modules = [nn.Conv3d(1, 1, 1) for _ in differences]

    class Converted:
        def __init__(self, module: nn.Module, *, channels: int, cache: Path) -> None:
            self.found = differences[modules.index(module)] if module in modules else differences[0]

        def check(self) -> float:
            if isinstance(self.found, Exception):
                raise self.found
            return self.found

    monkeypatch.setattr(agreement, "OpenVINONetwork", Converted)
    monkeypatch.setattr(agreement, "openvino_installed", lambda: True)
    return modules


def test_all_members_of_an_ensemble_that_agree_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(agreeing_openvino(networks(monkeypatch, 1e-6, 5e-4), channels=1)) == 2


@pytest.mark.parametrize("bad", [2e-3, float("nan"), float("inf"), RuntimeError("no such layer")])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_member_that_differs_or_fails_leaves_all_to_pytorch(
    monkeypatch: pytest.MonkeyPatch, bad: float | Exception, order: tuple[int, int]
) -> None:
    pair = (1e-6, bad)
    modules = networks(monkeypatch, *(pair[n] for n in order))
    assert agreeing_openvino(modules, channels=1) == []
    with pytest.raises(InputError, match="use the runtime torch"):
        agreeing_openvino(modules, channels=1, runtime="openvino")


def test_the_answerer_of_clicks_decides_by_the_same_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    (module,) = networks(monkeypatch, 2e-3)
    assert isinstance(compiled_network(module), TorchNetwork)
    with pytest.raises(InputError, match=r"differs from PyTorch"):
        compiled_network(module, "openvino")


def test_the_runtime_torch_converts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert agreeing_openvino(networks(monkeypatch, 1e-6), channels=1, runtime="torch") == []


def test_a_runtime_that_is_unknown_or_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "openvino_installed", lambda: False)
    with pytest.raises(InputError, match="there is no runtime 'tensorrt'"):
        require_runtime("tensorrt")
    with pytest.raises(InputError, match="OpenVINO is not installed"):
        agreeing_openvino([nn.Conv3d(1, 1, 1)], channels=1, runtime="openvino")
    assert agreeing_openvino([nn.Conv3d(1, 1, 1)], channels=1) == []


@needs_openvino
@torch.no_grad()
def test_a_real_network_agrees_and_computes_what_pytorch_computes(tmp_path: Path) -> None:
    module = nn.Conv3d(1, 2, 3, padding=1).eval()
    (converted,) = agreeing_openvino([module], channels=1, cache=tmp_path)
    tiles = torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(converted(tiles), module(tiles), atol=1e-5, rtol=1e-4)
