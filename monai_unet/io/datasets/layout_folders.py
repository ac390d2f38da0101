"""Data sets without a list: a folder of images beside a folder of labels, matched by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from monai_unet.io.datasets.case_files import images_in, label_maps_in, without_channel
from monai_unet.io.datasets.labelled import Draft, LabelledCase

FOLDERS = (
    ("training", "images", "labels"),
    ("training", "imagesTr", "labelsTr"),
    ("validation", "imagesVal", "labelsVal"),
    ("test", "imagesTs", "labelsTs"),
)


def pairs_of_folders(root: Path) -> list[tuple[str, Path, Path]]:
    """The list, the folder of its images and that of its labels, of each pair of folders below a folder."""
    return [(part, root / images, root / labels) for part, images, labels in FOLDERS if (root / images).is_dir()]


def read_folders(root: Path, pairs: Sequence[tuple[str, Path, Path]]) -> Draft:
    """Each label with the image of its name; several images of a name that end in `_0000`, `_0001`, … are channels."""
    draft = Draft(root.resolve().name, "images and labels", root)
    add_folders(draft, pairs)
    widest = max((len(case.images) for case in draft.cases), default=1)
    if widest > 1:
        draft.channels = tuple(f"image {n}" for n in range(1, widest + 1))
    return draft


def add_folders(draft: Draft, pairs: Sequence[tuple[str, Path, Path]]) -> None:
    """The cases of these folders, and the images without label and labels without image as faults."""
    for part, images, labels in pairs:
        shown = by_case(images_in(images))
        masks = label_maps_in(labels) if labels.is_dir() else {}
        if not masks and part != "test":
            draft.faults.append(f"{images} has no {labels.name} beside it")
            continue
        for name in sorted(shown.keys() | masks.keys()):
            found, mask = shown.get(name, ()), masks.get(name, ())
            if len(mask) > 1:
                draft.faults.append(f"there are two labels for this case, {mask[0]} and {mask[1]}; remove one")
            elif not found:
                draft.faults.append(f"{mask[0]} has no image named {name} in {images}")
            elif not mask and (masks or part != "test"):
                draft.faults.append(f"{found[0]} has no label named {name} in {labels}")
            else:
                draft.cases.append(
                    LabelledCase(
                        name=name,
                        images=tuple(os.path.abspath(path) for path in found),
                        label=os.path.abspath(mask[0]) if mask else "",
                        group="",
                        part=part,
                    )
                )


def by_case(found: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Images by case, where `images_in` names an image with a channel number twice."""
    return {name: paths for name, paths in found.items() if without_channel(name) == name}
