"""CPU cost of scoring: our one pass against MONAI's three calls, and what an evaluation of many cases adds.

    python benchmarks/metrics.py            # metrics of one 512x512x200 pair, interleaved, CPU seconds
    python benchmarks/metrics.py --cases 1000   # also 1,000 small masks through the command's own loop

MONAI gets ready one-hot tensors, the making of which is not charged to it; we start from integer label maps.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice

from monai_unet.batch import run_here
from monai_unet.evaluation import (
    Evaluation,
    EvaluationJournal,
    Pair,
    ScoreFiles,
    ScoreSettings,
    StoredResults,
    Surface,
    read_label_map,
    score_case,
    summarise,
    write_cases_csv,
    write_summary_json,
)

SHAPE = (200, 512, 512)
SPACING = (1.5, 0.8, 0.8)
TOLERANCE_MM = 2.0


def ball(centre: tuple[int, int, int], radii: tuple[float, float, float]) -> np.ndarray:
    """uint8 mask of an ellipsoid in voxels."""
    axes = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    return (sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radii, strict=True)) <= 1).astype(np.uint8)


def tumour() -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping balls of 2 cm and a small false positive 10 cm away."""
    reference = ball((100, 250, 250), (10, 15, 15)) | ball((108, 262, 256), (8, 12, 12))
    prediction = (
        ball((101, 252, 251), (10, 15, 14)) | ball((108, 262, 257), (7, 12, 12)) | ball((90, 300, 370), (3, 5, 5))
    )
    return prediction, reference


def liver() -> tuple[np.ndarray, np.ndarray]:
    """A body of 22 x 22 x 13 cm with a wavy outline."""
    reference = ball((100, 256, 220), (44, 138, 138))
    prediction = ball((101, 258, 222), (43, 136, 139))
    wave = (np.sin(np.arange(SHAPE[2]) / 9)[None, None] + np.sin(np.arange(SHAPE[1]) / 7)[None, :, None]) > 1.2
    return prediction & ~(wave & ball((100, 256, 330), (40, 60, 60)).astype(bool)), reference


def cpu(call: Callable[[], object]) -> float:
    """CPU seconds (user and system, all threads) of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def compare(name: str, pair: tuple[np.ndarray, np.ndarray], repeats: int) -> None:
    """Print median CPU seconds and the ratio, both interleaved."""
    prediction, reference = pair
    one_hot = [torch.from_numpy(mask)[None, None].float() for mask in pair]
    monai_kwargs = {"include_background": True, "spacing": SPACING}
    calls: dict[str, Callable[[], object]] = {
        "MONAI Dice": lambda: compute_dice(*one_hot, include_background=True),
        "MONAI HD95": lambda: compute_hausdorff_distance(*one_hot, percentile=95, **monai_kwargs),
        "MONAI NSD": lambda: compute_surface_dice(*one_hot, [TOLERANCE_MM], **monai_kwargs),
        "MONAI NSD, use_subvoxels": lambda: compute_surface_dice(
            *one_hot, [TOLERANCE_MM], use_subvoxels=True, **monai_kwargs
        ),
        **{
            f"ours, {surface}": lambda surface=surface: score_case(
                prediction, reference, spacing=SPACING, labels={1: name}, tolerance_mm=TOLERANCE_MM, surface=surface
            )
            for surface in Surface
        },
    }
    for surface in Surface:
        calls[f"ours, {surface}"]()
    seconds: dict[str, list[float]] = {key: [] for key in calls}
    for _ in range(repeats):
        for key, call in calls.items():
            seconds[key].append(cpu(call))
    median = {key: statistics.median(values) for key, values in seconds.items()}
    three = sum(median[f"MONAI {metric}"] for metric in ("Dice", "HD95", "NSD"))
    print(f"\n{name}, {SHAPE[2]}x{SHAPE[1]}x{SHAPE[0]}, CPU seconds, median of {repeats} interleaved")
    for key, value in median.items():
        print(f"  {key:26s} {value:7.3f}   {value / three:6.3f} of MONAI's three calls")


def many_cases(count: int) -> None:
    """Print what an evaluation of small masks costs beyond reading and metrics, and how its memory grows."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        pairs = [_small_pair(root, number) for number in range(count)]
        settings = ScoreSettings(labels={1: "anterior", 2: "posterior"})
        work = ScoreFiles(settings)
        work(pairs[0])

        def bare() -> None:
            for pair in pairs:
                reference, grid, _ = read_label_map(pair.reference)
                prediction = read_label_map(pair.prediction).labels
                score_case(prediction, reference, spacing=grid.spacing, labels=settings.labels)

        waited = 0.0

        def whole() -> None:
            nonlocal waited
            places = []
            with EvaluationJournal(root / "journal.jsonl", {}, resume=False) as journal:
                for result in run_here(pairs, work):
                    start = time.perf_counter()
                    places.append(journal.append(result))
                    waited += time.perf_counter() - start
            evaluation = Evaluation(settings, StoredResults(journal.path, places), (), {})
            write_cases_csv(evaluation.scores(), root / "cases.csv")
            summary = summarise(evaluation.digest.table)
            write_summary_json(summary, root / "summary.json", surface=settings.surface)

        before = psutil.Process().memory_info().rss
        seconds = cpu(bare), cpu(whole)
        grown = psutil.Process().memory_info().rss - before
        print(f"\n{count} cases of 40x50x36 with two classes, this process, CPU ms per case")
        print(f"  reading and metrics             {1000 * seconds[0] / count:7.2f}")
        print(f"  whole evaluation, no report     {1000 * seconds[1] / count:7.2f}")
        print(f"  added                           {1000 * (seconds[1] - seconds[0]) / count:7.2f}")
        print(f"  journal with fsync, wall        {1000 * waited / count:7.2f}")
        print(f"  memory grown over all cases     {grown / 2**20:7.1f} MiB")


def _small_pair(root: Path, number: int) -> Pair:
    random = np.random.default_rng(number)
    reference = np.zeros((36, 50, 40), np.uint8)
    reference[8:20, 15:35, 12:28] = 1
    reference[20:30, 15:35, 12:28] = 2
    prediction = np.roll(reference, int(random.integers(-2, 3)), axis=int(random.integers(3)))
    paths = []
    for kind, array in (("p", prediction), ("r", reference)):
        paths.append(str(root / f"{kind}{number}.nii.gz"))
        nib.save(nib.Nifti1Image(array.T, np.eye(4)), paths[-1])
    return Pair(f"case_{number}", *paths)


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", type=int, default=0, help="also measure an evaluation of this many small masks")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if arguments.repeats:
        compare("tumour", tumour(), arguments.repeats)
        compare("liver", liver(), arguments.repeats)
    if arguments.cases:
        many_cases(arguments.cases)


if __name__ == "__main__":
    main()
