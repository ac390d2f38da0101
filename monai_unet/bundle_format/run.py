"""What every bundle's configs need from the command line of `python -m monai.bundle run`.

MONAI accepts a mistyped override silently and shows an error in the data as a traceback of fifty lines; `prepare`,
named first in each `initialize`, ends the first with the valid names and the second with its one sentence.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from monai.bundle import ConfigParser

from monai_unet.bundle_format.catalogue import built_in_folder, is_bundle
from monai_unet.bundle_format.overrides import require_overrides
from monai_unet.errors import InputError, input_error_behind
from monai_unet.io import plain

RUN_ARGUMENTS = {
    "run_id", "init_id", "final_id", "meta_file", "config_file", "logging_file", "tracking", "args_file",
}  # fmt: skip


def prepare() -> None:
    """Check the names on the command line and show an `InputError` as one line. Does nothing outside `monai.bundle`."""
    arguments = _bundle_arguments(sys.argv)
    if arguments is None:
        return
    sys.excepthook = _one_line
    check_overrides(arguments)


def bundle_root(name: str) -> str:
    """Folder of the bundle whose config the command line names, else of the built-in bundle called `name`."""
    arguments = _bundle_arguments(sys.argv)
    for file in _files(dict(_flags(arguments)).get("config_file")) if arguments else []:
        root = Path(file).resolve().parent.parent
        if is_bundle(root):
            return str(root)
    return str(built_in_folder() / name)


def run_folder(bundle: str) -> str:
    """`./runs/<bundle>/<time>`: where a training or an evaluation writes unless told otherwise."""
    stamp = os.environ.get("TORCHELASTIC_RUN_ID", "") if int(os.environ.get("WORLD_SIZE", "1")) > 1 else ""
    return str(Path("runs") / bundle / (time.strftime("%Y-%m-%d_%H-%M-%S") if stamp in ("", "none") else stamp))


def check_overrides(arguments: Sequence[str]) -> None:
    """Compare override names (`--epochs 3`, `--a#b 1`, `--a::b=1`, those of an arguments file) with the configs' keys.

    Raises:
        SystemExit: a name that no config and no component has, or a value of another kind; the message says what is
            possible.
    """
    given = dict(_flags(arguments))
    if "args_file" in given:
        given = {**ConfigParser.load_config_file(given["args_file"]), **given}
    config = ConfigParser.load_config_files(_files(given.get("config_file")))
    named = {name: v for name, v in given.items() if name not in RUN_ARGUMENTS and not name.startswith("_meta_")}
    try:
        require_overrides(config, named)
    except InputError as error:
        sys.exit(plain(str(error), lines=True))


def _bundle_arguments(argv: Sequence[str]) -> list[str] | None:
    """Arguments after `monai.bundle run`, or None when this process is something else."""
    if Path(argv[0]).parts[-3:] != ("monai", "bundle", "__main__.py") or len(argv) < 2 or "run" not in argv[1]:
        return None
    return list(argv[2:])


def _flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, value) of each flag, as python-fire reads them."""
    for index, word in enumerate(arguments):
        if word == "--":
            return
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        if not equals and index + 1 < len(arguments):
            value = arguments[index + 1]
        yield name.replace("-", "_"), value


def _files(value: Any) -> list[str]:
    """The `config_file` argument as a list: one path, a list of paths, or such a list as text."""
    if value is None:
        return []
    if isinstance(value, str):
        return [part.strip(" '\"") for part in value.strip("[]() ").split(",") if part.strip(" '\"")]
    return [str(part) for part in value]


def _one_line(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    cause = input_error_behind(error)
    if cause is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        print(plain(f"monai-unet: {cause}", lines=True), file=sys.stderr)
