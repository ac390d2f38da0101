"""`monai-unet demo`"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder for the result (./demo)")


def run(arguments: argparse.Namespace) -> int:
    """Segment the demonstration's volume and say where the results lie."""
    from monai_unet.demo import DemoResult, run_demo

    for step in run_demo(arguments.output):
        if isinstance(step, DemoResult):
            print(f"mask          {step.mask}\nmeasurements  {step.measurements}\npicture       {step.picture}")
        else:
            print(step, flush=True)
    print("For research use; not a medical device.")
    return 0
