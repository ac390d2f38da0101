"""`monai-unet demo`"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai_unet.errors import InputError

SHOWS = ("tumour", "hippocampus")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("show", nargs="?", choices=SHOWS, default=SHOWS[0], help="what to segment (tumour)")
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder for the result (./demo)")


def run(arguments: argparse.Namespace) -> int:
    """Segment the demonstration's volume and say where the results lie."""
    for step in _steps(arguments.show, arguments.output):
        if isinstance(step, str):
            print(step, flush=True)
        else:
            print(f"mask          {step.mask}\nmeasurements  {step.measurements}\npicture       {step.picture}")
    print("For research use; not a medical device.")
    return 0


def _steps(show: str, output: Path) -> Iterator[Any]:
    if show == "tumour":
        from monai_unet.samples import patient, run_tumour_demo

        try:
            patient()
        except InputError as error:
            yield f"{error} The hippocampus demonstration follows instead."
        else:
            yield from run_tumour_demo(output)
            return
    from monai_unet.samples import run_demo

    yield from run_demo(output)
