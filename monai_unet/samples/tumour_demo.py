"""The demonstration with a tumour: an MRI from the sources of pyradiomics, an automatic result, simulated clicks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

from monai_unet.evaluation.clicks import Curve, run_case
from monai_unet.generators import drain
from monai_unet.geometry import grid_of
from monai_unet.interaction.answering import CLASSICAL, build_answerer
from monai_unet.io import atomic_path, palette, read_volume, unused_folder, write_label_map, write_text
from monai_unet.measurement import contour_figure, find_lesions
from monai_unet.samples.package_index import cache_folder, fetch, member
from monai_unet.segmentation import Segmenter

SOURCES = "pyradiomics-3.0.1.tar.gz"
SOURCES_SHA256 = "47c57f441d6cb7973fa3b2ea48d3948df78e3348e1c69e1e2ff19001601fc2f5"
MEMBERS = {"image": "pyradiomics-3.0.1/data/brain1_image.nrrd", "mask": "pyradiomics-3.0.1/data/brain1_label.nrrd"}
"""A contrast-enhanced T1 of a brain tumour, 256 × 256 × 25 at 0.78 × 0.78 × 6.5 mm, and a manual mask. The
licence of these data is not stated: they are fetched for each user and never passed on."""

CLICKS = 3
SHOWN = {1: "automatic", 2: "three clicks alone", 3: "manual mask"}
COLORS = {1: palette.ORANGE, 2: palette.SKY_BLUE, 3: palette.PURPLE}


@dataclass(frozen=True)
class TumourDemoResult:
    """Files that the demonstration wrote; Dice of the model, and of clicks alone, before the first and after each."""

    mask: Path
    measurements: Path
    picture: Path
    dice: tuple[float, ...]
    automatic_dice: float


def patient() -> dict[str, Path]:
    """Image and mask as NRRD files in the cache, fetched through the package index when they are not there.

    Raises:
        InputError: the package index cannot be reached or does not have the sources.
    """
    paths = {key: cache_folder() / Path(name).name for key, name in MEMBERS.items()}
    for key, path in paths.items():
        if not path.is_file():
            content = member(fetch("pyradiomics", SOURCES, sha256=SOURCES_SHA256), MEMBERS[key])
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
    return paths


def run_tumour_demo(
    output: Path, *, bundle: str = "brain_tumor_t1c", editor: str = CLASSICAL
) -> Iterator[str | TumourDemoResult]:
    """Find the tumour without a click and, beside it, by three simulated clicks; a line per step, then the result.

    Writes `tumour.nii.gz` (the automatic result on the grid of the image), `measurements.csv` and `picture.png`; where
    one of them is in the folder already, into `<output>_2` and so on.
    """
    output = unused_folder(output, ("tumour.nii.gz", "measurements.csv", "picture.png"))
    paths = patient()
    yield "contrast-enhanced T1 MRI of a brain tumour, from the pyradiomics sources (their licence is not stated)"
    image, reference = read_volume(paths["image"]), np.asarray(read_volume(paths["mask"]))[0] > 0
    yield f"model {bundle}"
    found = Segmenter.load(bundle).segment({"T1c": paths["image"]})
    automatic = np.asarray(found.labels[0]) > 0
    dice = _dice(automatic, reference)
    yield f"found without a click: Dice {dice:.3f} with the manual mask"
    yield f"without a model: three simulated clicks, each into the middle of the largest error, answered by {editor}"
    curve = _clicked(image, reference, editor)
    yield "Dice: " + ", ".join(f"after click {count} {value:.3f}" for count, value in enumerate(curve.dice[1:], 1))
    assert curve.mask is not None
    mask = output / "tumour.nii.gz"
    write_label_map(automatic.astype(np.uint8), mask, like=image.meta)
    measurements = output / "measurements.csv"
    write_text(measurements, _lesion_table(automatic, image))
    for line in measurements.read_text(encoding="utf-8").splitlines():
        yield line.replace(",", "  ")
    picture = output / "picture.png"
    _draw(image, {1: automatic, 2: curve.mask, 3: reference}, picture)
    yield TumourDemoResult(mask, measurements, picture, tuple(curve.dice), dice)


def _clicked(image: MetaTensor, reference: NDArray[np.bool_], editor: str) -> Curve:
    return drain(
        run_case(
            np.asarray(image[0]),
            grid_of(image),
            reference,
            build_answerer(editor),
            clicks=CLICKS,
        )
    )


def _dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / max(1, first.sum() + second.sum()))


def _lesion_table(mask: NDArray[np.bool_], image: MetaTensor) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["lesion", "volume_ml", "long_axis_mm", "short_axis_mm", "mean_intensity"])
    lesions = find_lesions(mask.astype(np.uint8), grid_of(image).affine, value=1, image=image[0].numpy())
    for number, lesion in enumerate(lesions, start=1):
        row = (lesion.volume_ml, lesion.long_axis.length_mm, lesion.short_axis.length_mm, lesion.intensity_mean)
        writer.writerow([number, *(f"{value:.2f}" for value in row)])
    return text.getvalue()


def _draw(image: MetaTensor, masks: dict[int, NDArray[np.bool_]], path: Path) -> None:
    figure = contour_figure(
        np.asarray(image[0]),
        masks,
        spacing=grid_of(image).spacing,
        names={value: SHOWN[value] for value in masks},
        colors={value: COLORS[value] for value in masks},
        title="Brain tumour, T1 with contrast agent",
        margin_mm=40,
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
