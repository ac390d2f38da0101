"""`monai-unet data get NAME`"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say


@dataclass(frozen=True, kw_only=True)
class DataCommand(Command):
    """Download with MONAI's own downloader and put a validation and a test list into `dataset.json`."""

    action: Annotated[Literal["get"], Positional("get: download and unpack")]
    name: Annotated[str, Positional("a task of the Medical Segmentation Decathlon, for example Task04_Hippocampus")]
    output: Annotated[Path, Option("parent folder (./data)", short="-o")] = Path("data")

    def run(self) -> int:
        """Download, unpack, and say what is there."""
        from monai_unet.samples import download

        folder = download(self.name, self.output)
        dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        counts = ", ".join(f"{key} {len(dataset[key])}" for key in ("training", "validation", "test"))
        say(f"{folder} ({counts}); licence of the data: {dataset.get('licence', 'see its page')}")
        return 0
