"""nnU-Net's raw data sets, of version 1 and 2: `imagesTr/<case>_0000.nii.gz` beside `labelsTr/<case>.nii.gz`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from monai_unet.io.datasets.case_files import channels_in, label_maps_in
from monai_unet.io.datasets.labelled import Draft, LabelledCase
from monai_unet.io.datasets.layout_decathlon import lists_of
from monai_unet.io.datasets.stated_classes import stated_channels, stated_classes
from monai_unet.io.volume import case_name
from monai_unet.mappings import Json

_PARTS = (("training", "Tr"), ("validation", "Val"), ("test", "Ts"))


def is_nnunet(root: Path, content: Json) -> bool:
    """Whether a folder with this `dataset.json` is a raw data set of nnU-Net, of version 1 or 2."""
    if not (root / "imagesTr").is_dir():
        return isinstance(content.get("dataset"), Mapping)
    if not lists_of(content):
        return True
    # version 1 lists images without the channel number that their files have
    entry = next(iter(lists_of(content).get("training", [])), None)
    image = entry.get("image") if isinstance(entry, Mapping) else None
    return isinstance(image, str) and not (root / image).exists() and bool(_numbered(root / image))


def read_nnunet(root: Path, content: Json) -> Draft:
    """The cases of `imagesTr`, `imagesVal` and `imagesTs`, or those that `dataset` lists."""
    file = root / "dataset.json"
    draft = Draft(str(content.get("name") or root.resolve().name), "nnU-Net", root)
    classes = stated_classes(content, file)
    draft.classes, draft.ignore, draft.region_order = classes.classes, classes.ignore, classes.region_order
    draft.faults += classes.faults
    channels = stated_channels(content)
    listed = content.get("dataset")
    if isinstance(listed, Mapping):
        _add_listed(draft, root, listed)
    else:
        for part, ending in _PARTS:
            _add_folders(draft, part, root / f"images{ending}", root / f"labels{ending}")
    widest = max((len(case.images) for case in draft.cases), default=1)
    draft.channels = channels or (("image",) if widest == 1 else tuple(f"image {n}" for n in range(1, widest + 1)))
    return draft


def _numbered(image: Path) -> list[Path]:
    return sorted(image.parent.glob(f"{case_name(image)}_0000.*"))


def _add_listed(draft: Draft, root: Path, listed: Mapping[str, object]) -> None:
    for name, entry in listed.items():
        images = entry.get("images") if isinstance(entry, Mapping) else None
        label = entry.get("label") if isinstance(entry, Mapping) else None
        if not isinstance(images, list) or not images or not isinstance(label, str):
            draft.faults.append(f"{name}, under 'dataset' in {root / 'dataset.json'}, needs images and a label")
            continue
        paths = [os.path.abspath(root / str(path)) for path in (*images, label)]
        missing = [path for path in paths if not os.path.exists(path)]
        draft.faults += [f"{path}, listed for {name} in {root / 'dataset.json'}, does not exist" for path in missing]
        if not missing:
            draft.cases.append(LabelledCase(name, tuple(paths[:-1]), paths[-1], ""))


def _add_folders(draft: Draft, part: str, images: Path, labels: Path) -> None:
    if not images.is_dir():
        return
    shown, faults = channels_in(images)
    draft.faults += faults
    masks = label_maps_in(labels) if labels.is_dir() and any(labels.iterdir()) else {}
    for name in sorted(shown.keys() | masks.keys()):
        files, mask = shown.get(name, ()), masks.get(name, ())
        if len(mask) > 1:
            draft.faults.append(f"there are two labels for this case, {mask[0]} and {mask[1]}; remove one")
        elif not files:
            draft.faults.append(f"{mask[0]} has no image {name}_0000 in {images}")
        elif not mask and (masks or part != "test"):
            draft.faults.append(f"{files[0]} has no label named {name} in {labels}")
        else:
            label = os.path.abspath(mask[0]) if mask else ""
            draft.cases.append(LabelledCase(name, tuple(map(os.path.abspath, files)), label, "", part=part))
