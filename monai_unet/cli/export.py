"""`monai-unet export BUNDLE --to FORMAT`"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say, say_notes


@dataclass(frozen=True, kw_only=True)
class ExportCommand(Command):
    """Write a bundle's network for other programs, once its results were found to be PyTorch's."""

    bundle: Annotated[str, Positional("name or folder of a model")]
    to: Annotated[Literal["onnx", "torchscript", "openvino"], Option("format")]
    output: Annotated[Path, Option("folder of the files (.)", metavar="DIR", short="-o")] = Path()
    size: Annotated[tuple[int, int, int], Option("voxels of the input to compare at (64 64 64)", ("D", "H", "W"))] = (
        64,
        64,
        64,
    )
    trust: Annotated[bool, Option("agree to run a model that is not built in (its config can run any code)")] = False
    overwrite: Annotated[bool, Option("replace the files of an earlier export")] = False

    def run(self) -> int:
        """Export, compare, and say where it is."""
        from monai_unet.bundle_format import find_bundle
        from monai_unet.segmentation import export_bundle

        found = export_bundle(
            find_bundle(self.bundle),
            self.output,
            self.to,
            size=self.size,
            trust=self.trust,
            overwrite=self.overwrite,
        )
        sizes = " and ".join(" × ".join(map(str, size)) for size in found.sizes)
        say(f"{found.file}: differs from PyTorch by {found.difference:.1e} of the logits' spread, at {sizes} voxels")
        say_notes([found.note] if found.note else [])
        return 0
