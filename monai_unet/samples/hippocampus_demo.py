"""The demonstration: both hippocampi of the MNI152 template, from a volume that travels in a Python package."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

from monai_unet.geometry import crop_volume, grid_of
from monai_unet.io import atomic_path, read_volume, unused_folder, write_label_map, write_text
from monai_unet.measurement import contour_figure
from monai_unet.samples.package_index import cache_folder, fetch, member
from monai_unet.segmentation import Segmentation, Segmenter

WHEEL = "nilearn-0.14.1-py3-none-any.whl"
WHEEL_SHA256 = "725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a"
TEMPLATE = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
"""MNI152 T1 template (ICBM 2009a symmetric, Fonov et al. 2011), 1 mm, skull-stripped: a mean of 152 brains."""

BOX_MM = 60.0
CENTRES_MM = {"left": (-27.0, -22.0, -14.0), "right": (27.0, -22.0, -14.0)}
"""Centres of the two boxes in mm, RAS."""


@dataclass(frozen=True)
class DemoResult:
    """Files that the demonstration wrote, and the volumes in ml by (side, label name)."""

    mask: Path
    measurements: Path
    picture: Path
    volumes_ml: dict[tuple[str, str], float]


def template() -> Path:
    """The MNI152 T1 template as a NIfTI file in the cache, fetched through the package index when it is not there.

    Raises:
        InputError: the package index cannot be reached or does not have the package.
    """
    path = cache_folder() / Path(TEMPLATE).name.replace("_converted", "")
    if not path.is_file():
        content = member(fetch("nilearn", WHEEL, sha256=WHEEL_SHA256), TEMPLATE)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    return path


def run_demo(output: Path, *, bundle: str = "hippocampus_mri") -> Iterator[str | DemoResult]:
    """Segment both hippocampi of the template; yields a line per step, then the result.

    Writes `image.nii.gz`, `hippocampus.nii.gz` (on the template's grid), `measurements.csv` and `picture.png`; where
    one of them is in the folder already, into `<output>_2` and so on.
    """
    output = unused_folder(output, ("image.nii.gz", "hippocampus.nii.gz", "measurements.csv", "picture.png"))
    yield "MNI152 T1 template (a mean of 152 brains, not a patient), from the nilearn package"
    image = read_volume(template())
    with atomic_path(output / "image.nii.gz") as temporary:
        temporary.write_bytes(template().read_bytes())
    yield f"model {bundle}"
    segmenter = Segmenter.load(bundle)
    labels = np.zeros(image.shape[1:], dtype=np.uint8)
    volumes: dict[tuple[str, str], float] = {}
    for side, centre in CENTRES_MM.items():
        box = box_around(image, centre, BOX_MM)
        part = segmenter.segment(crop_volume(image, box))
        labels[box] = np.maximum(labels[box], np.asarray(part.labels[0], dtype=np.uint8))
        volumes.update({(side, name): ml for name, ml in label_volumes(part).items()})
        yield f"{side}: " + ", ".join(f"{n} {ml:.2f} ml" for (s, n), ml in volumes.items() if s == side)

    mask = output / "hippocampus.nii.gz"
    write_label_map(labels, mask, like=image.meta)
    measurements = output / "measurements.csv"
    write_text(measurements, _csv(volumes))
    picture = output / "picture.png"
    _draw(image, labels, part, picture)
    yield DemoResult(mask, measurements, picture, volumes)


def box_around(image: MetaTensor, centre_mm: tuple[float, float, float], size_mm: float) -> tuple[slice, ...]:
    """Slices along S, A, R of the cube of `size_mm` around a point in mm (RAS), cut off at the volume's border.

    Image (C, S, A, R).
    """
    grid = grid_of(image)
    centre = grid.to_index(centre_mm)
    half = size_mm / 2 / np.asarray(grid.spacing)
    low = np.clip(np.round(centre - half), 0, None).astype(int)
    high = np.minimum(np.round(centre + half).astype(int) + 1, grid.shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def label_volumes(segmentation: Segmentation) -> dict[str, float]:
    """Volume in ml of each label of a segmentation."""
    labels = np.asarray(segmentation.labels[0])
    voxel_ml = float(np.prod(grid_of(segmentation.labels).spacing)) / 1000
    return {name: float((labels == value).sum()) * voxel_ml for value, name in segmentation.label_names.items()}


def _csv(volumes: dict[tuple[str, str], float]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["side", "structure", "volume_ml"])
    writer.writerows([side, name, f"{ml:.3f}"] for (side, name), ml in volumes.items())
    return text.getvalue()


def _draw(image: MetaTensor, labels: NDArray[np.uint8], part: Segmentation, path: Path) -> None:
    figure = contour_figure(
        np.asarray(image[0]),
        labels,
        spacing=grid_of(image).spacing,
        names=part.label_names,
        colors=part.colors,
        title="MNI152 T1 template (not a patient)",
        margin_mm=45,
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
