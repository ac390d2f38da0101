"""CPU cost and memory of inference against MONAI and nnU-Net: interleaved runs, CPU seconds, peak RSS of subprocesses.

    python benchmarks/inference.py windows     # tensor → labels with the same windows: nnU-Net, MONAI, ours
    python benchmarks/inference.py whole       # overlap 0.5 against the whole volume and strips
    python benchmarks/inference.py native      # logits → labels on the grid of the file
    python benchmarks/inference.py file        # file → file
    python benchmarks/inference.py classes     # 100 classes at 256³: peak RSS
    python benchmarks/inference.py memory      # peak RSS of `whole`

Each prints a table: CPU seconds (user + system, median over --repeats), the ratio to the first row, and the share of
voxels whose label equals the first row's. Networks have random weights: these are costs, not accuracies. nnU-Net takes
part where `nnunetv2` can be imported. Peers run at their best setting (MONAI with batches of 4, not 1).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from monai.transforms import Spacing
from torch.utils.flop_counter import FlopCounterMode

from monai_unet.inferers import HaloStripInferer, StreamingInferer, StreamingSlidingWindowInferer, WholeVolumeInferer
from monai_unet.inferers.labels import LabelSink, Zoom
from monai_unet.inferers.runtime import OpenVINONetwork, openvino_installed
from monai_unet.inferers.sliding_window import plan_windows
from monai_unet.networks import build_unet

Variants = dict[str, Callable[[], Any]]
SHAPE, WINDOW = (128, 256, 256), (96, 96, 96)
CHANNELS = (6, 12, 24, 48)


def network(classes: int = 3) -> torch.nn.Module:
    """The package's own U-Net, narrow, batch norm, evaluation mode, weights spread so that every class occurs."""
    module = build_unet("unet", out_channels=classes, channels=CHANNELS).eval()
    with torch.no_grad():
        module.head.bias -= module(smooth((1, 1, 32, 32, 32))).mean((0, 2, 3, 4))
    return module


def smooth(shape: tuple[int, ...]) -> torch.Tensor:
    """Random structure of about 8 voxels, as images and logits have."""
    coarse = tuple(max(2, n // 8) for n in shape[2:])
    noise = torch.randn(*shape[:2], *coarse, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, shape[2:], mode="trilinear")


def labels_of(inferer: StreamingInferer, image: torch.Tensor, module: Any) -> np.ndarray:
    """Tensor (1, channels, S, A, R) → labels, slab by slab, as the segmenter does."""
    sink = LabelSink()
    with torch.no_grad():
        for step in inferer.stream(image[0], module):
            if step.slab is not None:
                sink.add(step.slab.scores)
    return sink.finish()


def windows() -> Variants:
    """Same windows, same weights: what the machinery around the network costs."""
    module, image = network(), smooth((1, 1, *SHAPE))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, 1, *WINDOW))
    print(f"network: {counter.get_total_flops() / 1e9:.1f} GFLOP per {WINDOW} window, {SHAPE} voxels (S, A, R)")
    inferer = StreamingSlidingWindowInferer(WINDOW, sw_batch_size=2)
    variants: Variants = {}

    def monai() -> np.ndarray:
        with torch.no_grad():
            logits = sliding_window_inference(image, WINDOW, 4, module, overlap=0.5, mode="gaussian")
        return logits.argmax(1)[0].numpy()

    if importlib.util.find_spec("nnunetv2"):
        variants["nnU-Net predictor (step 0.5, Gaussian, no mirroring) + argmax"] = nnunet(module, image)
    variants["MONAI sliding_window_inference, batch 4, + argmax"] = monai
    variants["ours, PyTorch"] = lambda: labels_of(inferer, image, module)
    if openvino_installed():
        compiled = OpenVINONetwork(module, channels=1)
        compiled.check()
        variants["ours, OpenVINO"] = lambda: labels_of(inferer, image, compiled)
        tiles, count = smooth((2, 1, *WINDOW)), len(plan_windows(SHAPE, WINDOW, 0.5))

        def bare() -> None:
            for start in range(0, count, 2):
                compiled(tiles[: count - start])

        variants[f"the network alone, OpenVINO, {count} windows"] = bare
    return variants


def nnunet(module: torch.nn.Module, image: torch.Tensor) -> Callable[[], np.ndarray]:
    """nnU-Net's own predictor with our network in it."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_gaussian=True, use_mirroring=False, perform_everything_on_device=False,
        device=torch.device("cpu"), verbose=False, allow_tqdm=False,
    )  # fmt: skip
    predictor.network = module
    predictor.configuration_manager = type("Configuration", (), {"patch_size": WINDOW})()
    predictor.label_manager = type("Labels", (), {"num_segmentation_heads": 3})()
    predictor.allowed_mirroring_axes = None
    return lambda: predictor.predict_sliding_window_return_logits(image[0]).float().argmax(0).numpy()


def whole() -> Variants:
    """Overlap against none."""
    module, image = network(), smooth((1, 1, *SHAPE))
    used: Any = OpenVINONetwork(module, channels=1) if openvino_installed() else module
    if used is not module:
        used.check()

    def monai() -> np.ndarray:
        with torch.no_grad():
            return sliding_window_inference(image, WINDOW, 4, module, overlap=0.5, mode="gaussian").argmax(1)[0].numpy()

    return {
        "MONAI sliding_window_inference, overlap 0.5, batch 4, + argmax": monai,
        "whole volume, PyTorch": lambda: labels_of(WholeVolumeInferer(), image, module),
        "whole volume": lambda: labels_of(WholeVolumeInferer(), image, used),
        "strips of 32, exact": lambda: labels_of(HaloStripInferer(32, exact=True), image, used),
        "strips of 32, halo 16": lambda: labels_of(HaloStripInferer(32, 16), image, used),
    }


def native() -> Variants:
    """3 classes at 1.5 mm → labels at 0.8 × 0.8 × 2.5 mm."""
    file = MetaTensor(torch.zeros(1, 64, 256, 256), affine=torch.diag(torch.tensor([2.5, 0.8, 0.8, 1.0])))
    spacing = Spacing((1.5, 1.5, 1.5), mode="bilinear")
    working = spacing(file)
    logits = smooth((1, 3, *working.shape[1:]))[0]
    step = np.linalg.solve(working.affine.numpy(), file.affine.numpy())

    def monai() -> np.ndarray:
        pred = MetaTensor(logits, affine=working.affine, applied_operations=list(working.applied_operations))
        return spacing.inverse(pred).argmax(0).numpy()

    def ours() -> np.ndarray:
        sizes = zip(logits.shape[1:], file.shape[1:], strict=True)
        sink = LabelSink([Zoom(step[i, i], step[i, 3], here, there) for i, (here, there) in enumerate(sizes)])
        sink.add(logits)
        return sink.finish()

    return {"MONAI Spacing inverse + argmax": monai, "ours": ours}


def file() -> Variants:
    """A CT of 512×512×128 at 0.8×0.8×2.5 mm: a bundle run by MONAI as the Model Zoo writes them, and by us."""
    folder = Path(tempfile.mkdtemp())
    image = (smooth((1, 1, 128, 512, 512))[0, 0] * 100).numpy().astype(np.int16).transpose(2, 1, 0)
    nib.save(nib.Nifti1Image(image, np.diag([0.8, 0.8, 2.5, 1])), folder / "ct.nii.gz")
    stock = _bundle(folder / "stock", "SAR", sliding=True)
    ours = _bundle(folder / "ours", "SAR", sliding=False)

    def monai() -> np.ndarray:
        import monai.bundle

        monai.bundle.run(
            config_file=str(stock / "configs" / "inference.json"),
            bundle_root=str(stock),
            output_dir=str(folder / "out"),
        )
        return np.asarray(nib.load(folder / "out" / "ct" / "ct_seg.nii.gz").dataobj)

    def segmenter() -> np.ndarray:
        from monai_unet.bundle_parts import build_parts
        from monai_unet.catalogue import Bundle
        from monai_unet.segmenter import Segmenter
        from monai_unet.study import find_jobs, segment_jobs

        built = Segmenter(build_parts(Bundle("ours", ours, built_in=True), device=torch.device("cpu")))
        for outcome in segment_jobs(built, find_jobs([folder / "ct.nii.gz"], folder / "mask.nii.gz")):
            assert not outcome.error, outcome.error
        return np.asarray(nib.load(folder / "mask.nii.gz").dataobj)

    return {"MONAI bundle: windows of 96, overlap 0.5, batch 4": monai, "monai-unet: whole volume, fused": segmenter}


def _bundle(root: Path, axes: str, *, sliding: bool) -> Path:
    """One network and one preprocessing at 1.5 mm, run as most of the Model Zoo is, or as ours are."""
    (root / "configs").mkdir(parents=True)
    (root / "models").mkdir()
    load = (
        {"_target_": "LoadImaged", "ensure_channel_first": True}
        if sliding
        else {"_target_": "monai_unet.io.LoadVolumed"}
    )
    inferer = (
        {"_target_": "SlidingWindowInferer", "roi_size": WINDOW, "sw_batch_size": 4, "overlap": 0.5, "mode": "gaussian"}
        if sliding
        else {"_target_": "monai_unet.inferers.WholeVolumeInferer"}
    )
    steps = [
        {**load, "keys": "image"},
        {"_target_": "Orientationd", "keys": "image", "axcodes": axes, "labels": None},
        {"_target_": "Spacingd", "keys": "image", "pixdim": [1.5, 1.5, 1.5], "mode": "bilinear"},
        {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -100, "a_max": 100, "b_min": -1, "b_max": 1},
    ]
    post = [
        {
            "_target_": "Invertd",
            "keys": "pred",
            "transform": "@preprocessing",
            "orig_keys": "image",
            "nearest_interp": False,
        },
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "output_dir": "@output_dir",
            "output_postfix": "seg",
            "output_dtype": "uint8",
        },
    ]
    config = {
        "bundle_root": str(root),
        "output_dir": str(root),
        "network_def": {
            "_target_": "monai_unet.networks.build_unet",
            "name": "unet",
            "out_channels": 3,
            "channels": CHANNELS,
        },
        "preprocessing": {"_target_": "Compose", "transforms": steps},
        "inferer": inferer,
        "postprocessing": {"_target_": "Compose", "transforms": post},
        "dataset": {
            "_target_": "Dataset",
            "data": [{"image": str(root.parent / "ct.nii.gz")}],
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "loader": {
            "_target_": "CheckpointLoader",
            "load_path": str(root / "models" / "model.pt"),
            "load_dict": {"model": "@network_def"},
        },
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "cpu",
            "val_data_loader": "@dataloader",
            "network": "@network_def",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "initialize": ["$@loader(@evaluator)"],
        "run": ["$@evaluator.run()"],
    }
    (root / "configs" / "inference.json").write_text(json.dumps(config))
    (root / "configs" / "metadata.json").write_text("{}")
    torch.save(network().state_dict(), root / "models" / "model.pt")
    return root


def classes() -> Variants:
    """100 classes at 256³: labels without the logits of the whole volume."""
    module = build_unet("unet", out_channels=100, channels=CHANNELS).eval()
    image = smooth((1, 1, 256, 256, 256))
    inferer = StreamingSlidingWindowInferer(WINDOW, sw_batch_size=2, overlap=0.25)
    return {"100 classes at 256³, sliding window, overlap 0.25": lambda: labels_of(inferer, image, module)}


BENCHMARKS: dict[str, Callable[[], Variants]] = {
    "windows": windows, "whole": whole, "native": native, "file": file, "classes": classes,
}  # fmt: skip


def measure(variants: Variants, repeats: int) -> None:
    """Run the variants in turn, and print the table."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    results: dict[str, Any] = {}
    for _ in range(repeats):
        for name, call in variants.items():
            start = time.process_time()
            results[name] = call()
            seconds[name].append(time.process_time() - start)
            print(f"  {name}: {seconds[name][-1]:.2f}", file=sys.stderr, flush=True)
    first = next(iter(variants))
    base = statistics.median(seconds[first])
    print("| variant | CPU s | ratio | equal labels |\n| --- | --- | --- | --- |")
    for name, times in seconds.items():
        comparable = isinstance(results[name], np.ndarray) and results[name].shape == results[first].shape
        equal = f"{np.mean(results[name] == results[first]):.5f}" if comparable else "–"
        print(f"| {name} | {statistics.median(times):.2f} | {statistics.median(times) / base:.3f} | {equal} |")


def peak(benchmark: str, variant: int) -> None:
    """In this process: peak RSS of one variant above what stood before it."""
    name, call = list(BENCHMARKS[benchmark]().items())[variant]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"| {name} | {after / 2**20:.2f} | {(after - before) / 2**20:.2f} |", flush=True)


def main() -> None:
    """Parse the command line and run."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=[*BENCHMARKS, "memory"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shape", type=int, nargs=3, metavar=("S", "A", "R"), help="voxels of `windows` and `whole`")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.shape:
        globals()["SHAPE"] = tuple(arguments.shape)
    if arguments.peak is not None:
        peak(arguments.benchmark, arguments.peak)
    elif arguments.benchmark in ("memory", "classes"):
        source = "whole" if arguments.benchmark == "memory" else "classes"
        print("| variant | peak RSS GiB | above the start GiB |\n| --- | --- | --- |", flush=True)
        for variant in range(len(BENCHMARKS[source]())):
            shape = ["--shape", *map(str, arguments.shape)] if arguments.shape else []
            subprocess.run([sys.executable, __file__, source, "--peak", str(variant), *shape], check=True)
    else:
        measure(BENCHMARKS[arguments.benchmark](), arguments.repeats)


if __name__ == "__main__":
    main()
