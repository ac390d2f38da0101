"""Imported models against nnU-Net itself: the same labels, CPU seconds, peak memory.

    python benchmarks/nnunet.py compare --peer nnunet_env/bin/python --models WORK/results --raw WORK/raw [--mirroring]
    python benchmarks/nnunet.py dice --models WORK/results --raw WORK/raw [--only NAME]   # mirroring against the labels
    python benchmarks/nnunet.py classes --peer nnunet_env/bin/python [--size 256]   # 100 classes, random weights

--peer is the Python of an environment with `nnunetv2` 2.8.1 (no monai-unet in it), WORK the folder that
benchmarks/nnunet_models.py filled. Both programs run in processes of their own with one thread, nnU-Net by
`nnUNetPredictor.predict_from_files_sequential` (what `nnUNetv2_predict` runs without its worker processes, so that its
CPU seconds can be counted in one process). Each segments the test cases twice and the second pass counts: CPU seconds
(user + system) of file → file, without imports, loading and compiling of the network, which stand apart. Memory is the
peak of the process's resident set. Equality is the share of voxels with the same label, and the Dice of the two label
maps over all labels that either has.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.update(nnUNet_def_n_proc="1", nnUNet_compile="f")


def cases(folder: Path) -> dict[str, list[str]]:
    """Case → its files, in the order of the channels."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*_????.nii.gz")):
        found.setdefault(path.name[: -len("_0000.nii.gz")], []).append(str(path))
    return found


def peak_mib() -> float:
    """Peak resident memory of this process so far."""
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(status.split()[0]) / 1024


def run_peer(given: dict[str, Any]) -> dict[str, Any]:
    """nnU-Net in this process."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    torch.set_num_threads(1)
    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_gaussian=True, use_mirroring=given["mirroring"], device=torch.device("cpu"),
        allow_tqdm=False,
    )  # fmt: skip
    folds = tuple(fold if fold == "all" else int(fold) for fold in given["folds"])
    predictor.initialize_from_trained_model_folder(given["model"], folds, "checkpoint_final.pth")
    listed = cases(Path(given["images"]))
    base = peak_mib()
    seconds = []
    for _ in range(given["passes"]):
        start = time.process_time()
        predictor.predict_from_files_sequential(list(listed.values()), given["out"], False, True, None)
        seconds.append(time.process_time() - start)
    return {"seconds": seconds, "peak": peak_mib(), "base": base}


def run_ours(given: dict[str, Any]) -> dict[str, Any]:
    """The imported bundle in this process."""
    import torch

    from monai_unet.io import write_label_map
    from monai_unet.segmentation import Segmenter

    torch.set_num_threads(1)
    segmenter = Segmenter.load(given["bundle"], device="cpu", runtime=given["runtime"])
    base = peak_mib()
    seconds, stages = [], {}
    for _ in range(given["passes"]):
        start, stages = time.process_time(), {}
        for name, files in cases(Path(given["images"])).items():
            found = segmenter.segment(files)
            path = Path(given["out"]) / f"{name}.nii.gz"
            path.unlink(missing_ok=True)
            write_label_map(found.labels, path, like=found.labels.meta, table=found.table)
            for stage, value in found.provenance["seconds"].items():
                stages[stage] = stages.get(stage, 0) + value
        seconds.append(time.process_time() - start)
    return {
        "seconds": seconds, "peak": peak_mib(), "base": base, "stages": stages,
        "runtime": found.provenance["runtime"],
    }  # fmt: skip


def measured(python: str, what: str, given: dict[str, Any]) -> dict[str, Any]:
    """`run_peer` or `run_ours` in a process of its own."""
    Path(given["out"]).mkdir(parents=True, exist_ok=True)
    answer = Path(given["out"]).with_suffix(".json")
    command = [python, __file__, what, json.dumps(given), str(answer)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(answer.read_text()))


def agreement(first: Path, second: Path) -> tuple[float, float, int]:
    """Share of equal voxels, smallest Dice of a label, and voxels that differ, over all cases of two folders."""
    import numpy as np
    import SimpleITK as sitk

    equal = total = 0
    overlap: dict[int, list[int]] = {}
    for path in sorted(first.glob("*.nii.gz")):
        a, b = (sitk.GetArrayFromImage(sitk.ReadImage(str(folder / path.name))) for folder in (first, second))
        equal, total = equal + int((a == b).sum()), total + a.size
        for label in np.union1d(np.unique(a), np.unique(b)):
            if label:
                sums = overlap.setdefault(int(label), [0, 0])
                sums[0] += 2 * int(((a == label) & (b == label)).sum())
                sums[1] += int((a == label).sum()) + int((b == label).sum())
    dice = min((both / every for both, every in overlap.values() if every), default=1.0)
    return equal / total, dice, total - equal


def shifted(model: Path, folder: Path, folds: list[str], shift: float) -> Path:
    """A copy of a model that draws more: the bias of its background (of its regions: all biases) is changed.

    Models trained for a minute draw hardly anything, and two empty masks are equal whatever the programs do.
    """
    import torch

    target = folder / model.name
    for fold in folds:
        (target / f"fold_{fold}").mkdir(parents=True)
        content = torch.load(model / f"fold_{fold}" / "checkpoint_final.pth", map_location="cpu", weights_only=False)
        weights = content["network_weights"]
        last = max(int(name.split(".")[2]) for name in weights if name.startswith("decoder.seg_layers."))
        regions = "regions_class_order" in json.loads((model / "dataset.json").read_text())
        bias = weights[f"decoder.seg_layers.{last}.bias"]
        bias[slice(None) if regions else 0] += shift if regions else -shift
        torch.save(content, target / f"fold_{fold}" / "checkpoint_final.pth")
    for name in ("plans.json", "dataset.json"):
        (target / name).write_text((model / name).read_text())
    return target


def drawn(folder: Path) -> float:
    """Share of voxels with a label in the masks of a folder."""
    import numpy as np
    import SimpleITK as sitk

    masks = [sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in sorted(folder.glob("*.nii.gz"))]
    return float(sum(int(np.count_nonzero(mask)) for mask in masks) / sum(mask.size for mask in masks))


def imported(model: Path, bundle: Path, folds: list[str], *, mirroring: bool) -> str:
    """The bundle of a model, imported anew."""
    from monai_unet.bundle_format.nnunet import import_nnunet

    import_nnunet(model, bundle, folds=folds, mirroring=mirroring)
    return str(bundle)


ROWS = (
    ("hippocampus 3d_fullres", "Dataset901_hippocampus", "nnUNetPlans__3d_fullres", ["0"]),
    ("hippocampus, two folds", "Dataset901_hippocampus", "nnUNetPlans__3d_fullres", ["0", "1"]),
    ("hippocampus 2d", "Dataset901_hippocampus", "nnUNetPlans__2d", ["0"]),
    ("hippocampus ResEnc M", "Dataset901_hippocampus", "nnUNetResEncUNetMPlans__3d_fullres", ["0"]),
    ("head and neck CT", "Dataset904_head_neck", "nnUNetPlans_small__3d_fullres", ["0"]),
    ("sarcoma T1 (thick slices)", "Dataset905_sarcoma", "nnUNetPlans_small__3d_fullres", ["0"]),
    ("glioma, 2 channels, regions", "Dataset902_glioma", "nnUNetPlans_small__3d_fullres", ["0"]),
    ("lesions, 2 channels, fold all", "Dataset903_lesions", "nnUNetPlans_small__3d_fullres", ["all"]),
)


SHIFTS = {
    "hippocampus 2d": 2.5, "hippocampus ResEnc M": 2.0, "head and neck CT": 4.0, "glioma, 2 channels, regions": 3.0,
    "lesions, 2 channels, fold all": 3.0,
}  # fmt: skip
"""By how much the bias of the background is lowered, so that the model draws something."""


def compare(given: argparse.Namespace) -> None:
    """A table: one row per model."""
    print("| model | drawn | voxels equal | lowest Dice | nnU-Net, CPU s | ours | ratio | nnU-Net, MiB | ours |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        for number, (title, dataset, plans, folds) in enumerate(ROWS):
            model = given.models / dataset / f"nnUNetTrainer__{plans}"
            there = all((model / f"fold_{fold}" / "checkpoint_final.pth").is_file() for fold in folds)
            if given.only not in title or not there:
                continue
            folder = Path(temporary) / str(number)
            images = str(given.raw / dataset / "imagesTs")
            model = shifted(model, folder / "model", folds, SHIFTS.get(title, 0.0))
            peer: dict[str, Any] = {
                "model": str(model), "folds": folds, "images": images, "out": str(folder / "peer"),
                "mirroring": given.mirroring, "passes": given.passes,
            }  # fmt: skip
            bundle = imported(model, folder / "bundle", folds, mirroring=given.mirroring)
            ours = {
                "bundle": bundle, "images": images, "out": str(folder / "ours"), "runtime": given.runtime,
                "passes": given.passes,
            }  # fmt: skip
            theirs = measured(given.peer, "_peer", peer)
            mine = measured(sys.executable, "_ours", ours)
            equal, dice, differing = agreement(folder / "peer", folder / "ours")
            a, b = theirs["seconds"][-1], mine["seconds"][-1]
            print(
                f"| {title} | {100 * drawn(folder / 'peer'):.1f} % | {100 * equal:.4f} % ({differing}) | {dice:.5f} | "
                f"{a:.2f} | {b:.2f} | {b / a:.2f} | {theirs['peak']:.0f} | {mine['peak']:.0f} |",
                flush=True,
            )
            print(json.dumps({"peer": theirs, "ours": mine}), file=sys.stderr, flush=True)


def dice(given: argparse.Namespace) -> None:
    """What mirroring changes in the lowest Dice of a label against the references, and in CPU seconds."""
    print("| model | mirrored: lowest Dice, CPU s | not mirrored | difference |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        for number, (title, dataset, plans, folds) in enumerate(ROWS):
            model = given.models / dataset / f"nnUNetTrainer__{plans}"
            if given.only not in title or not (model / f"fold_{folds[-1]}" / "checkpoint_final.pth").is_file():
                continue
            row = []
            for mirroring in (True, False):
                folder = Path(temporary) / f"{number}{mirroring}"
                bundle = imported(model, folder / "bundle", folds, mirroring=mirroring)
                images, out = str(given.raw / dataset / "imagesTs"), folder / "ours"
                options = {"bundle": bundle, "images": images, "runtime": given.runtime, "passes": given.passes}
                found = measured(sys.executable, "_ours", {**options, "out": str(out)})
                row.append((agreement(out, given.raw / dataset / "labelsTs")[1], found["seconds"][-1]))
            (a, b), (c, d) = row
            print(f"| {title} | {a:.4f}, {b:.1f} | {c:.4f}, {d:.1f} | {c - a:+.4f} |", flush=True)


def classes(given: argparse.Namespace) -> None:
    """Peak memory of a model of 100 classes on a cube of 1 mm whose network's grid has 1.5 mm."""
    import nibabel as nib
    import numpy as np
    import torch

    from monai_unet.networks import PlansUNet

    stages = {"strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "kernel_sizes": [[3, 3, 3]] * 3}
    kwargs = {"is_seg": False, "order_z": 0, "force_separate_z": None}
    built = {
        "n_stages": 3, "features_per_stage": [8, 16, 32], "conv_op": "torch.nn.modules.conv.Conv3d", **stages,
        "n_conv_per_stage": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2], "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None, "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }  # fmt: skip
    configuration = {
        "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": [64] * 3,
        "spacing": [1.5] * 3, "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [False],
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": built, "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }  # fmt: skip
    for key, order in (("data", 3), ("seg", 1), ("probabilities", 1)):
        configuration[f"resampling_fn_{key}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{key}_kwargs"] = {**kwargs, "order": order, "is_seg": key == "seg"}
    plans = {
        "dataset_name": "Dataset999_classes", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": {}}, "configurations": {"3d_fullres": configuration},
    }  # fmt: skip
    labels = {"background": 0, **{f"class {n}": n for n in range(1, 100)}}
    data = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    torch.manual_seed(0)
    network = PlansUNet(
        1, 100, channels=[8, 16, 32], kernels=stages["kernel_sizes"], strides=stages["strides"],
        encoder_counts=[2, 2, 2], decoder_counts=[2, 2],
    )  # fmt: skip
    state = network.state_dict()
    for name in list(state):
        for part, place in ((".conv.", ".all_modules.0."), (".norm.", ".all_modules.1.")):
            if part in name:
                state[name.replace(part, place)] = state[name]
    state |= {f"decoder.{name}": tensor for name, tensor in state.items() if name.startswith("encoder.")}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = folder / "nnUNetTrainer__nnUNetPlans__3d_fullres"
        (model / "fold_0").mkdir(parents=True)
        (model / "plans.json").write_text(json.dumps(plans))
        (model / "dataset.json").write_text(json.dumps(data))
        checkpoint = {
            "network_weights": state, "trainer_name": "nnUNetTrainer", "inference_allowed_mirroring_axes": None,
            "init_args": {"configuration": "3d_fullres"}, "current_epoch": 0,
        }  # fmt: skip
        torch.save(checkpoint, model / "fold_0" / "checkpoint_final.pth")
        (folder / "images").mkdir()
        cube = np.random.default_rng(0).normal(size=(given.size,) * 3).astype(np.float32)
        nib.save(nib.Nifti1Image(cube, np.eye(4)), folder / "images" / "cube_0000.nii.gz")
        shared = {"images": str(folder / "images"), "passes": 1}
        bundle = imported(model, folder / "bundle", ["0"], mirroring=False)
        mine = measured(
            sys.executable, "_ours",
            {**shared, "bundle": bundle, "out": str(folder / "ours"), "runtime": given.runtime},
        )  # fmt: skip
        print(json.dumps({"ours": mine}), flush=True)
        theirs = measured(
            given.peer, "_peer",
            {**shared, "model": str(model), "folds": ["0"], "out": str(folder / "peer"), "mirroring": False},
        )  # fmt: skip
        equal, _, differing = agreement(folder / "peer", folder / "ours")
        print(
            f"| {given.size}³, 100 classes | {100 * equal:.4f} % ({differing}) | {theirs['peak']:.0f} MiB | "
            f"{mine['peak']:.0f} MiB | {mine['peak'] / theirs['peak']:.2f} | {theirs['seconds'][0]:.1f} s | "
            f"{mine['seconds'][0]:.1f} s |"
        )


def main() -> None:
    """Run one comparison."""
    if sys.argv[1] in ("_peer", "_ours"):
        answer = {"_peer": run_peer, "_ours": run_ours}[sys.argv[1]](json.loads(sys.argv[2]))
        Path(sys.argv[3]).write_text(json.dumps(answer))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["compare", "dice", "classes"])
    parser.add_argument("--peer", default="python")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--mirroring", action="store_true", help="both mirror, as nnU-Net does by itself")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--size", type=int, default=256)
    given = parser.parse_args()
    {"compare": compare, "dice": dice, "classes": classes}[given.what](given)


if __name__ == "__main__":
    main()
