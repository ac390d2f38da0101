"""Download a task of the Medical Segmentation Decathlon and give it validation and test lists with labels."""

from __future__ import annotations

import json
import random
from pathlib import Path

from monai.apps import DecathlonDataset, download_and_extract

from monai_unet.bundle_format import built_in_folder
from monai_unet.errors import InputError
from monai_unet.io import write_text
from monai_unet.mappings import Json

LISTS = ("training", "validation", "test")


def download(name: str, output: Path, *, url: str | None = None, md5: str | None = None) -> Path:
    """Download, check and unpack `name` below `output`; returns its folder.

    The published `dataset.json` has labels under `training` only. It is kept as `dataset_published.json`, and
    `dataset.json` gets three labelled lists: those of the bundle trained on it where there is one (`split.json` in its
    configs), else 70 / 10 / 20 % drawn with a fixed seed.

    Args:
        url, md5: another address of the same archive, for example a hospital's mirror.

    Raises:
        InputError: unknown name, no network, or a damaged archive.
    """
    if name not in DecathlonDataset.resource:
        raise InputError(f"unknown data set '{name}'; choose one of {', '.join(DecathlonDataset.resource)}.")
    folder = output / name
    if not (folder / "dataset.json").is_file():
        address = url or DecathlonDataset.resource[name]
        try:
            download_and_extract(
                address,
                output / f"{name}.tar",
                output,
                hash_val=md5 if url else DecathlonDataset.md5[name],
                hash_type="md5",
                progress=True,
            )
        except Exception as error:  # MONAI raises plain `Exception` for what requests could not reach
            raise InputError(f"{name} could not be downloaded from {address} ({error}); check the network.") from error
    published = folder / "dataset_published.json"
    if not published.is_file():
        dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        write_text(published, json.dumps(dataset, indent=1))
        write_text(folder / "dataset.json", json.dumps(_with_lists(name, dataset), indent=1))
    return folder


def _with_lists(name: str, dataset: Json) -> Json:
    cases = {Path(case["image"]).name.split(".")[0]: case for case in dataset["training"]}
    split = _bundle_split(name) or _random_split(sorted(cases))
    lists = {key: [cases[case] for case in split[key] if case in cases] for key in LISTS}
    counts = {f"num{key.capitalize()}": len(lists[key]) for key in LISTS}
    return {**dataset, **lists, **counts}


def _bundle_split(name: str) -> dict[str, list[str]] | None:
    for file in sorted(built_in_folder().glob("*/configs/split.json")):
        split = json.loads(file.read_text(encoding="utf-8"))
        if split["dataset"] == name:
            return split
    return None


def _random_split(names: list[str]) -> dict[str, list[str]]:
    random.Random(0).shuffle(names)
    first, second = round(0.7 * len(names)), round(0.8 * len(names))
    return {
        "training": sorted(names[:first]),
        "validation": sorted(names[first:second]),
        "test": sorted(names[second:]),
    }
