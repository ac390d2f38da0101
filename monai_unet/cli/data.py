"""`monai-unet data get NAME`"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("action", choices=["get"], help="get: download and unpack")
    parser.add_argument("name", help="a task of the Medical Segmentation Decathlon, for example Task04_Hippocampus")
    parser.add_argument("-o", "--output", type=Path, default=Path("data"), help="parent folder (./data)")


def run(arguments: argparse.Namespace) -> int:
    """Download with MONAI's own downloader and put a validation and a test list into `dataset.json`."""
    from monai_unet.samples import download

    folder = download(arguments.name, arguments.output)
    dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    counts = ", ".join(f"{key} {len(dataset[key])}" for key in ("training", "validation", "test"))
    print(f"{folder} ({counts}); licence of the data: {dataset.get('licence', 'see its page')}")
    return 0
