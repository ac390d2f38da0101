"""Costs of inference against MONAI and nnU-Net: CPU seconds and peak memory of interleaved runs.

    python benchmarks/inference.py windows     # tensor → labels with the same windows: nnU-Net, MONAI, ours
    python benchmarks/inference.py whole       # overlap 0.5 against the whole volume and strips
    python benchmarks/inference.py tensor      # both in one run
    python benchmarks/inference.py native      # logits → labels on the grid of the file
    python benchmarks/inference.py file        # file → file
    python benchmarks/inference.py classes     # 100 classes at 256³
    python benchmarks/inference.py single      # PyTorch on one image at a time
    python benchmarks/inference.py halo --bundle NAME --data FOLDER   # smallest halo on a bundle's validation cases

`windows`, `whole`, `tensor` and `file` take `--bundle NAME --image FILE`: a trained bundle's network (classes that
exclude each other, no flips) on a real volume, preprocessed by the bundle. Otherwise networks have random weights.

Each variant runs in a process of its own, in turn, --repeats times, after a small volume that warms it up. The table
has CPU seconds (user + system, median), their ratio to the first row, the peak of resident memory above what was there
before the run, and in all, and the share of voxels whose label equals the first row's. nnU-Net takes part where
`nnunetv2` can be imported. Peers run at their best setting (MONAI with batches of 4, not 1).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
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
import psutil
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from monai.transforms import Spacing
from torch.utils.flop_counter import FlopCounterMode

from monai_unet.inferers import (
    HaloStripInferer,
    Interpolation,
    LabelSink,
    OpenVINONetwork,
    StreamingInferer,
    StreamingSlidingWindowInferer,
    TorchNetwork,
    WholeVolumeInferer,
    batches_by_plane,
    openvino_installed,
    plan_windows,
    smallest_halo,
)
from monai_unet.networks import build_unet

Run = Callable[[], Any]
Variants = dict[str, Callable[[], Run]]
"""Name → what gets everything ready and warm, and returns what is measured."""

SHAPE, WINDOW = (128, 256, 256), (96, 96, 96)
CHANNELS = (6, 12, 24, 48)
BUNDLE, IMAGE = "", ""
MONAI = "MONAI sliding_window_inference, overlap 0.5, batch 4, + argmax"


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


def subject() -> tuple[torch.nn.Module, torch.Tensor]:
    """The network and the image (1, channels, S, A, R) on its grid."""
    if not BUNDLE:
        return network(), smooth((1, 1, *SHAPE))
    from monai_unet.segmentation import Segmenter

    segmenter = Segmenter.load(BUNDLE, device="cpu", runtime="torch")
    case = segmenter.preprocess(segmenter.read(IMAGE))
    return segmenter.parts.network, case.data[segmenter.parts.image_key].as_tensor()[None].contiguous()


def openvino(module: torch.nn.Module, channels: int) -> OpenVINONetwork:
    """The network compiled, and checked against PyTorch."""
    compiled = OpenVINONetwork(module, channels=channels)
    print(f"OpenVINO differs by {compiled.check():.1e} of the spread", file=sys.stderr)
    return compiled


def labels_of(inferer: StreamingInferer, image: torch.Tensor, module: Any) -> np.ndarray:
    """Tensor (1, channels, S, A, R) → labels, slab by slab, as the segmenter does."""
    sink = LabelSink()
    with torch.no_grad():
        for step in inferer.stream(image[0], module):
            if step.slab is not None:
                sink.add(step.slab.scores)
    return sink.finish()


def ours(inferer: StreamingInferer, *, runtime: str) -> Callable[[], Run]:
    """An inferer of ours on the subject."""

    def ready() -> Run:
        module, image = subject()
        used: Any = openvino(module, image.shape[1]) if runtime == "openvino" else TorchNetwork(module)
        labels_of(inferer, image[..., :32, :32, :32], used)
        return lambda: labels_of(inferer, image, used)

    return ready


def monai_windows() -> Run:
    """MONAI's sliding windows in batches of four, and the argmax, on the subject."""
    module, image = subject()

    def run(volume: torch.Tensor = image) -> np.ndarray:
        with torch.no_grad():
            logits = sliding_window_inference(volume, WINDOW, 4, module, overlap=0.5, mode="gaussian")
        return logits.argmax(1)[0].numpy()

    run(image[..., :32, :32, :32])
    return run


def nnunet() -> Run:
    """nnU-Net's own predictor with the subject's network in it."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    module, image = subject()
    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_gaussian=True, use_mirroring=False, perform_everything_on_device=False,
        device=torch.device("cpu"), verbose=False, allow_tqdm=False,
    )  # fmt: skip
    with torch.no_grad():
        heads = module(image[..., :32, :32, :32]).shape[1]
    predictor.network = module
    predictor.configuration_manager = type("Configuration", (), {"patch_size": WINDOW})()
    predictor.label_manager = type("Labels", (), {"num_segmentation_heads": heads})()
    predictor.allowed_mirroring_axes = None

    def run(volume: torch.Tensor = image[0]) -> np.ndarray:
        return predictor.predict_sliding_window_return_logits(volume).float().argmax(0).numpy()

    run(image[0][..., :32, :32, :32])
    return run


def bare(runtime: str, batch: int) -> Callable[[], Run]:
    """The network alone on as many windows, and nothing around it."""

    def ready() -> Run:
        module, image = subject()
        used: Any = openvino(module, image.shape[1]) if runtime == "openvino" else TorchNetwork(module)
        size = tuple(max(n, w) for n, w in zip(image.shape[2:], WINDOW, strict=True))
        batches = batches_by_plane(plan_windows(size, WINDOW, 0.5), batch)
        tiles = smooth((3, image.shape[1], *WINDOW))

        def run() -> None:
            with torch.no_grad():
                for windows in batches:
                    getattr(used, "borrow", used)(tiles[: len(windows)])

        used(tiles[:1, :, :32, :32, :32])
        return run

    return ready


def windows() -> Variants:
    """Same windows, same weights: what the machinery around the network costs."""
    variants: Variants = {}
    if importlib.util.find_spec("nnunetv2"):
        variants["nnU-Net predictor (step 0.5, Gaussian, no mirroring) + argmax"] = nnunet
    variants[MONAI] = monai_windows
    inferer = StreamingSlidingWindowInferer(WINDOW, sw_batch_size=2)
    variants["ours, PyTorch"] = ours(inferer, runtime="torch")
    variants["the network alone, PyTorch"] = bare("torch", 2)
    if openvino_installed():
        variants["ours, OpenVINO"] = ours(inferer, runtime="openvino")
        variants["the network alone, OpenVINO"] = bare("openvino", 2)
    return variants


def whole() -> Variants:
    """Overlap against none."""
    used = "openvino" if openvino_installed() else "torch"
    return {
        MONAI: monai_windows,
        "whole volume, PyTorch": ours(WholeVolumeInferer(), runtime="torch"),
        f"whole volume, {used}": ours(WholeVolumeInferer(), runtime=used),
        f"strips of 16, exact, {used}": ours(HaloStripInferer(16, exact=True), runtime=used),
        f"strips of 32, halo 16, {used}": ours(HaloStripInferer(32, 16), runtime=used),
        f"strips of 24, halo 16, {used}": ours(HaloStripInferer(24, 16), runtime=used),
    }


def single() -> Variants:
    """MONAI's U-Net of the spleen bundle on one image at a time: PyTorch as it is, and as we call it."""
    from monai.networks.nets import UNet

    def ready(wrapped: bool) -> Callable[[], Run]:
        def warm() -> Run:
            module = UNet(3, 1, 2, (16, 32, 64, 128, 256), (2, 2, 2, 2), num_res_units=2, norm="batch").eval()
            used, image = TorchNetwork(module) if wrapped else module, smooth((1, 1, *WINDOW))

            def run() -> None:
                with torch.no_grad():
                    for _ in range(4):
                        used(image)

            run()
            return run

        return warm

    return {"PyTorch, four times one window": ready(False), "the same with oneDNN for single images": ready(True)}


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

    def fused() -> np.ndarray:
        sizes = zip(logits.shape[1:], file.shape[1:], strict=True)
        sink = LabelSink([Interpolation(step[i, i], step[i, 3], here, there) for i, (here, there) in enumerate(sizes)])
        sink.add(logits)
        return sink.finish()

    def ready(run: Run) -> Callable[[], Run]:
        def warm() -> Run:
            run()
            return run

        return warm

    return {"MONAI Spacing inverse + argmax": ready(monai), "ours": ready(fused)}


def file() -> Variants:
    """A CT of 512×512×128 at 0.8×0.8×2.5 mm, or the given file: by MONAI as the Model Zoo does, and by us."""
    folder = Path(tempfile.mkdtemp())

    def image() -> Path:
        if IMAGE:
            return Path(IMAGE)
        voxels = (smooth((1, 1, 128, 512, 512))[0, 0] * 100).numpy().astype(np.int16).transpose(2, 1, 0)
        nib.save(nib.Nifti1Image(voxels, np.diag([0.8, 0.8, 2.5, 1])), folder / "ct.nii.gz")
        return folder / "ct.nii.gz"

    def monai() -> Run:
        import monai.bundle

        root, ct = _bundle(folder / "stock", sliding=True), image()

        def run() -> np.ndarray:
            monai.bundle.run(
                config_file=str(root / "configs" / "inference.json"), bundle_root=str(root),
                input=str(ct), output_dir=str(folder / "out"),
            )  # fmt: skip
            return np.asarray(nib.load(next((folder / "out").rglob("*_seg.nii.gz"))).dataobj)

        return run

    def segmenter() -> Run:
        from monai_unet.batch import find_jobs, segment_jobs
        from monai_unet.bundle_format import Bundle, build_parts
        from monai_unet.segmentation import Segmenter

        root, ct = _bundle(folder / "ours", sliding=False), image()

        def run() -> np.ndarray:
            built = Segmenter(build_parts(Bundle("ours", root, built_in=True), device=torch.device("cpu")))
            for outcome in segment_jobs(built, find_jobs([ct], folder / "mask.nii.gz")):
                assert not outcome.error, outcome.error
            return np.asarray(nib.load(folder / "mask.nii.gz").dataobj)

        return run

    return {"MONAI bundle: windows of 96, overlap 0.5, batch 4": monai, "monai-unet: whole volume, fused": segmenter}


def _bundle(root: Path, *, sliding: bool) -> Path:
    """One network and preprocessing (the trained bundle's, or at 1.5 mm), run as most of the Model Zoo, or as ours."""
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
    definition, steps, weights = _trained() if BUNDLE else _random()
    steps = [{**load, "keys": "image"}, *steps]
    post: list[dict[str, Any]] = [
        {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image",
         "nearest_interp": False},
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "output_postfix": "seg",
         "output_dtype": "uint8", "separate_folder": False},
    ]  # fmt: skip
    config = {
        "bundle_root": str(root),
        "output_dir": str(root),
        "input": "",
        "network_def": definition,
        "preprocessing": {"_target_": "Compose", "transforms": steps},
        "inferer": inferer,
        "postprocessing": {"_target_": "Compose", "transforms": post},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': @input}]",
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
    torch.save(weights, root / "models" / "model.pt")
    return root


def _random() -> tuple[dict[str, Any], list[dict[str, Any]], Any]:
    """Definition of a network, preprocessing after the loader, weights: random, for a CT at 1.5 mm."""
    definition = {"_target_": "monai_unet.networks.build_unet", "name": "unet", "out_channels": 3, "channels": CHANNELS}
    steps = [
        {"_target_": "Orientationd", "keys": "image", "axcodes": "SAR", "labels": None},
        {"_target_": "Spacingd", "keys": "image", "pixdim": [1.5, 1.5, 1.5], "mode": "bilinear"},
        {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -100, "a_max": 100, "b_min": -1, "b_max": 1},
    ]
    return definition, steps, network().state_dict()


def _trained() -> tuple[dict[str, Any], list[dict[str, Any]], Any]:
    """The same of the trained bundle."""
    from monai.bundle import ConfigParser

    from monai_unet.bundle_format import find_bundle

    root = find_bundle(BUNDLE).root
    config = json.loads((root / "configs" / "inference.json").read_text())
    definition = ConfigParser({key: config[key] for key in ("network", "network_def")}).get("network_def")
    definition = {**definition, "name": config["network"]}
    weights = torch.load(root / "models" / "model.pt", weights_only=True)
    return definition, config["preprocessing"]["transforms"][1:], weights


def classes() -> Variants:
    """100 classes at 256³: labels without the logits of the whole volume."""
    used = "openvino" if openvino_installed() else "torch"

    def ready(inferer: StreamingInferer) -> Callable[[], Run]:
        def warm() -> Run:
            module, image = network(100), smooth((1, 1, 256, 256, 256))
            compiled: Any = openvino(module, 1) if used == "openvino" else TorchNetwork(module)
            labels_of(inferer, image[..., :32, :32, :32], compiled)
            return lambda: labels_of(inferer, image, compiled)

        return warm

    sliding = StreamingSlidingWindowInferer(WINDOW, overlap=0.25).with_batch(1)
    flat = StreamingSlidingWindowInferer((64, 96, 96), overlap=0.25).with_batch(1)
    return {
        f"100 classes at 256³, sliding window, overlap 0.25, one at a time, {used}": ready(sliding),
        f"100 classes at 256³, strips of 16, halo 16, {used}": ready(HaloStripInferer(16, 16)),
        f"100 classes at 256³, the same with windows of 64×96×96, {used}": ready(flat),
    }


BENCHMARKS: dict[str, Callable[[], Variants]] = {
    "windows": windows, "whole": whole, "tensor": lambda: {**windows(), **whole()}, "native": native, "file": file,
    "classes": classes, "single": single,
}  # fmt: skip


def halo(data: Path, *, height: int, cases: int | None) -> None:
    """The smallest halo of a bundle's network on its validation cases, as its metadata can state it."""
    from monai_unet.bundle_format import find_bundle
    from monai_unet.segmentation import Segmenter

    split = json.loads((find_bundle(BUNDLE).root / "configs" / "split.json").read_text())
    names = split["validation"][:cases]
    segmenter = Segmenter.load(BUNDLE, device="cpu", runtime="torch")
    module, key = segmenter.parts.network, segmenter.parts.image_key
    sizes: list[tuple[int, ...]] = []

    def images() -> Any:
        for name in names:
            image = segmenter.preprocess(segmenter.read(_file_of(data, name))).data[key].as_tensor()
            sizes.append(tuple(image.shape[1:]))
            yield image

    used: Any = openvino(module, len(segmenter.parts.channels)) if openvino_installed() else TorchNetwork(module)
    found, agreements = smallest_halo(images(), used, height=height)
    print(f"{BUNDLE}: {len(sizes)} validation cases, {min(sizes)} to {max(sizes)} voxels (S, A, R)")
    for tried, agreement in agreements.items():
        print(f"halo {tried}: smallest agreement {agreement:.6f}")
    print(json.dumps({"halo": found, "halo_height": height, "halo_agreement": round(agreements[found], 6)}))


def _file_of(data: Path, name: str) -> Path:
    """The image of that case, or that file."""
    return next(path for path in (data / name, *sorted(data.rglob(f"{name}.nii.gz"))) if path.is_file())


def one(benchmark: str, variant: int, labels: Path) -> None:
    """In this process: one variant once; its numbers as JSON, its labels into a file."""
    name, ready = list(BENCHMARKS[benchmark]().items())[variant]
    if benchmark in ("windows", "tensor") and variant == 0:
        _describe()
    run = ready()
    process = psutil.Process()
    _reset_peak()
    before, start = process.memory_info().rss, time.process_time()
    result = run()
    seconds, peak = time.process_time() - start, _peak()
    if isinstance(result, np.ndarray):
        np.save(labels, result)
    print(json.dumps({"name": name, "seconds": seconds, "peak": peak, "above": peak - before}))


def _describe() -> None:
    module, image = subject()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, image.shape[1], *WINDOW))
    size = tuple(image.shape[2:])
    print(f"{counter.get_total_flops() / 1e9:.1f} GFLOP per {WINDOW} window, {size} voxels (S, A, R)", file=sys.stderr)


def _reset_peak() -> None:
    """Let the peak of resident memory begin anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Peak of resident memory in bytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def measure(benchmark: str, repeats: int, rows: list[int] | None, options: list[str]) -> None:
    """Run the variants in turn, each in a process of its own, and print the table."""
    chosen = rows or list(range(len(BENCHMARKS[benchmark]())))
    runs: list[list[dict[str, Any]]] = [[] for _ in chosen]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{variant}.npy" for variant in chosen]
        for _ in range(repeats):
            for variant, (row, labels) in enumerate(zip(chosen, files, strict=True)):
                command = [sys.executable, __file__, benchmark, "--variant", str(row), "--labels", str(labels)]
                done = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE, text=True)
                runs[variant].append(json.loads(done.stdout.splitlines()[-1]))
                print("  {name}: {seconds:.2f}".format(**runs[variant][-1]), file=sys.stderr, flush=True)
        found = [np.load(path) if path.exists() else None for path in files]
    print("| variant | CPU s | ratio | peak above start, GiB | peak in all, GiB | equal labels |")
    print("| --- | --- | --- | --- | --- | --- |")
    base = statistics.median(run["seconds"] for run in runs[0])
    for variant, labels in enumerate(found):
        seconds = statistics.median(run["seconds"] for run in runs[variant])
        above, peak = (max(run[key] for run in runs[variant]) / 2**30 for key in ("above", "peak"))
        same = labels is not None and found[0] is not None and labels.shape == found[0].shape
        equal = f"{np.mean(labels == found[0]):.5f}" if same else "–"
        name = runs[variant][0]["name"]
        print(f"| {name} | {seconds:.2f} | {seconds / base:.3f} | {above:.2f} | {peak:.2f} | {equal} |")


def main() -> None:
    """Parse the command line and run."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=[*BENCHMARKS, "halo"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shape", type=int, nargs=3, metavar=("S", "A", "R"), help="voxels of `windows` and `whole`")
    parser.add_argument("--rows", type=int, nargs="+", help="only these variants, counted from 0")
    parser.add_argument("--bundle", default="", help="a trained bundle instead of random weights")
    parser.add_argument("--image", default="", help="a real volume for it")
    parser.add_argument("--data", type=Path, help="`halo`: folder with the bundle's validation cases")
    parser.add_argument("--height", type=int, default=32, help="`halo`: planes kept of a strip")
    parser.add_argument("--cases", type=int, help="`halo`: only the first so many")
    parser.add_argument("--variant", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--labels", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.shape:
        globals()["SHAPE"] = tuple(arguments.shape)
    globals().update(BUNDLE=arguments.bundle, IMAGE=arguments.image)
    if arguments.benchmark == "halo":
        halo(arguments.data, height=arguments.height, cases=arguments.cases)
    elif arguments.variant is not None:
        one(arguments.benchmark, arguments.variant, arguments.labels)
    else:
        options = ["--bundle", BUNDLE, "--image", IMAGE] if BUNDLE else []
        options += ["--shape", *map(str, arguments.shape)] if arguments.shape else []
        measure(arguments.benchmark, arguments.repeats, arguments.rows, options)


if __name__ == "__main__":
    main()
