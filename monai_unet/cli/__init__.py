"""The command line: one module per command, whose arguments are a frozen dataclass with `run() -> int`.

Exit codes: 0 all done, 1 nothing could be done, 2 done but some cases failed (argparse too uses 2 for a wrong call).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from keyword import iskeyword

from monai_unet.cli.arguments import Command, add_arguments, from_values
from monai_unet.cli.letters import print_anything, say
from monai_unet.cli.stopping import answer_stops
from monai_unet.errors import InputError, system_sentence
from monai_unet.paths import spare_the_home
from monai_unet.version import __version__

COMMANDS: dict[str, str] = {
    "demo": "segment a volume that comes with a Python package and show the result",
    "segment": "segment a file, a DICOM folder or a folder of volumes",
    "gather": "one table of what the parts of a large run did, what failed and what is missing",
    "info": "list the series and volumes below a path, their geometry and their problems",
    "convert": "DICOM to NIfTI, NRRD or MetaImage; masks to DICOM SEG, RTSTRUCT, report, or back",
    "evaluate": "score segmentations against references and write a report",
    "interact": "measure how good a mask becomes with how many clicks",
    "compare": "compare two evaluations of the same cases",
    "bundles": "list the models found, or download one of MONAI's Model Zoo",
    "export": "write a model's network as ONNX, TorchScript or OpenVINO, compared with PyTorch",
    "import": "take over a model that nnU-Net trained",
    "doctor": "check this machine: versions, device, memory, speed, what is missing",
    "data": "download a public data set",
    "plan": "plan a model for a labelled data set",
    "train": "train a model for a labelled data set, from data to a model that the other commands use",
    "pacs": "find studies in a PACS, fetch them, send results to it",
    "listen": "receive studies, segment them by rules, send results where a rule says",
    "serve": "answer prompts of 3D Slicer's and napari's nnInteractive clients",
}
"""Command name and what it does, in the order of the help page.

The name is also its module in `monai_unet.cli`, with an underscore where Python keeps the word to itself (`import_`).
"""

SUCCESS, FAILURE, SOME_FAILED = 0, 1, 2

_OF_MANY_CASES = ("segment", "evaluate")


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Parser of all commands; with `only`, the modules of the other commands are not imported (a fast start)."""
    parser = argparse.ArgumentParser(
        prog="monai-unet",
        description="3D U-Net segmentation of MRI and CT. For research use; not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"monai-unet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if only is None or only == name:
            add_arguments(command, command_class(name))
    return parser


def command_class(name: str) -> type[Command]:
    """The arguments of a command: `SegmentCommand` of the module `segment`, imported only now."""
    module = f"{__name__}.{name}{'_' if iskeyword(name) else ''}"
    found: type[Command] = getattr(importlib.import_module(module), f"{name.capitalize()}Command")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; an `InputError` becomes one line on standard error and exit code 1."""
    print_anything()
    if argv is None:
        answer_stops()
    arguments = list(sys.argv[1:] if argv is None else argv)
    named = next((word for word in arguments if word in COMMANDS), "")
    if argv is None and named in _OF_MANY_CASES:
        from monai_unet.batch import keep_memory

        keep_memory()
    values = vars(build_parser(only=named).parse_args(arguments))
    spare_the_home()
    try:
        with _memory_limit(values.get("memory_limit")):
            return from_values(command_class(values["command"]), values).run()
    except InputError as error:
        say(f"monai-unet: {error}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        say("monai-unet: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except (OSError, MemoryError) as error:
        # a full or read-only disk, a home that cannot be written: nothing that a traceback would explain
        say(f"monai-unet: {system_sentence(error)}", file=sys.stderr)
        return FAILURE


def _memory_limit(gib: float | None) -> AbstractContextManager[None]:
    """What `--memory-limit` says to readers; without it nothing is imported."""
    if gib is None:
        return nullcontext()
    from monai_unet.io import reading_limit

    return reading_limit(gib)
