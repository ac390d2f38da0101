"""`monai-unet info`"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say, say_json

if TYPE_CHECKING:
    from monai_unet.io.datasets import Entry


@dataclass(frozen=True, kw_only=True)
class InfoCommand(Command):
    """List the series and volumes below a path and what is wrong with them."""

    path: Annotated[Path, Positional("volume, DICOM file, folder, DICOMDIR or zip")]
    json: Annotated[bool, Option("for programs; with affine and orientation")] = False
    memory_limit: Annotated[
        float | None, Option("memory that reading one volume may take (default: 70 %% of what is free)", metavar="GIB")
    ] = None
    identity: Annotated[bool, Option("also say who the patient is (name, id, birth date)")] = False

    def run(self) -> int:
        """Print the table, or one JSON list."""
        from monai_unet.io.datasets import inventory

        entries = inventory(self.path, identity=self.identity)
        if self.json:
            say_json([entry.as_dict() for entry in entries])
            return 0
        say("\n".join(_table(entries)))
        return 0


def _table(entries: Sequence[Entry]) -> list[str]:
    from monai_unet.io import plain

    rows: list[tuple[str, ...]] = [("", "what", "description", "size", "spacing mm", "axes", "plane", "date")]
    rows += [_row(n, entry) for n, entry in enumerate(entries, 1)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    indent = " " * (widths[0] + 2)
    for position, entry in reversed(list(enumerate(entries, 1))):
        below = [f"--series {entry.series}" if entry.series else entry.path]
        below += [f"cannot be read: {problem}" for problem in entry.problems]
        below += [f"note: {note}" for note in entry.notes]
        below += [f"{key}: {value}" for key, value in (entry.identity or {}).items()]
        lines[position + 1 : position + 1] = [indent + plain(line) for line in below]
    return lines


def _row(number: int, entry: Entry) -> tuple[str, ...]:
    from monai_unet.io import plain

    size = "×".join(map(str, entry.shape)) or (f"{entry.images} image(s)" if entry.images else "")
    spacing = "×".join(f"{mm:.3g}" for mm in entry.spacing)
    kind = entry.modality or entry.format
    return str(number), plain(kind), plain(entry.description), size, spacing, entry.orientation, entry.plane, entry.date
