"""Every network leaves Python as the table says: TorchScript, and ONNX run by ONNX Runtime."""

from __future__ import annotations

import contextlib
import io
import warnings

import onnxruntime
import pytest
import torch

from monai_unet.networks import NETWORKS, build_unet

TINY = {
    "unet": {"channels": (4, 6, 8)},
    "residual_unet": {"channels": (4, 6, 8)},
    "attention_unet": {"channels": (4, 6, 8)},
    "unet_plus_plus": {"features": (4, 4, 6, 6, 8, 4)},
    "transunet": {"channels": (4, 6, 8), "hidden": 12, "layers": 1, "heads": 2, "mlp": 24},
    "dynunet": {"channels": (4, 6, 8)},
    "segresnet": {"filters": 4},
    "swin_unetr": {},
    "diffusion_unet": {"channels": (8, 16), "attention": (False, True)},
}
DIMS = 2


def network_and_inputs(name: str) -> tuple[torch.nn.Module, list[tuple[torch.Tensor, ...]]]:
    network = build_unet(name, spatial_dims=DIMS, out_channels=3, **TINY[name]).eval()
    first, second = (2, 32, 48), (1, 33, 20)
    if name == "diffusion_unet":
        network, second = network.denoiser, (1, 34, 20)
        torch.nn.init.normal_(network.out[-1].conv.weight, std=0.1)  # MONAI starts it at 0
        return network, [(torch.randn(n, 4, *size), torch.full((n,), 7)) for n, *size in (first, second)]
    return network, [(torch.randn(n, 1, *size),) for n, *size in (first, second)]


@pytest.mark.parametrize("name", NETWORKS)
def test_torchscript_gives_the_same_logits(name: str) -> None:
    how = NETWORKS[name].torchscript
    network, inputs = network_and_inputs(name)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = how.startswith("script")
        exported = torch.jit.script(network) if script else torch.jit.trace(network, inputs[0], check_trace=False)
        file = io.BytesIO()
        torch.jit.save(exported, file)
        file.seek(0)
        loaded = torch.jit.load(file)
        for given in inputs[:1] if "fixed" in how else inputs:
            torch.testing.assert_close(loaded(*given), network(*given), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_gives_the_same_logits(name: str) -> None:
    network, inputs = network_and_inputs(name)
    names = ["image", "level"][: len(inputs[0])]
    spatial = {0: "batch", **{2 + axis: f"size{axis}" for axis in range(DIMS)}}
    free = {"image": spatial, "level": {0: "batch"}, "logits": spatial}
    file = io.BytesIO()
    unsupported = NETWORKS[name].onnx == "no"
    raises = pytest.raises(torch.onnx.OnnxExporterError) if unsupported else contextlib.nullcontext()
    with raises, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            inputs[0],
            file,
            input_names=names,
            output_names=["logits"],
            dynamic_axes={key: free[key] for key in [*names, "logits"]},
            opset_version=17,
            dynamo=False,
        )
    if unsupported:
        return
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for given in inputs:
        feed = {key: tensor.numpy() for key, tensor in zip(names, given, strict=True)}
        with torch.no_grad():
            expected = network(*given)
        torch.testing.assert_close(torch.from_numpy(session.run(None, feed)[0]), expected, atol=1e-3, rtol=1e-3)
