"""Commands as dataclasses: what each type of field takes from the command line, and what it is without it."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import re
import subprocess
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

import monai_unet.cli
from monai_unet.cli import COMMANDS, command_class
from monai_unet.cli.arguments import Command, Option, Positional, add_arguments, from_values

CLI = Path(monai_unet.cli.__file__).parent


@dataclass(frozen=True, kw_only=True)
class CropCommand(Command):
    """A command with every kind of argument."""

    images: Annotated[tuple[Path, ...], Positional("volumes", metavar="FILE")] = ()
    output: Annotated[Path, Option("folder", short="-o", metavar="DIR")]
    margin: Annotated[float | None, Option("in mm", metavar="MM")] = None
    sizes: Annotated[tuple[int, ...], Option("voxels", group="how")] = (1,)
    names: Annotated[tuple[str, str] | None, Option("of both", metavar=("A", "B"))] = None
    channel: Annotated[tuple[str, ...], Option("again and again", repeat=True)] = ()
    edge_mode: Annotated[Literal["zero", "copy"], Option("outside", group="how")] = "zero"
    quiet: Annotated[bool, Option("no words")] = False

    def run(self) -> int:
        return 0


def parse(*words: str) -> CropCommand:
    parser = argparse.ArgumentParser()
    add_arguments(parser, CropCommand)
    return from_values(CropCommand, vars(parser.parse_args(words)))


def test_what_is_not_given_is_the_default_of_its_field() -> None:
    assert parse("-o", "out") == CropCommand(output=Path("out"))


def test_words_become_the_types_of_the_fields() -> None:
    words = ["a.nii", "b.nii", "--output", "out", "--margin", "2.5", "--sizes", "3", "4", "--names", "x", "y"]
    found = parse(*words, "--channel", "T1=a", "--channel", "T2=b", "--edge-mode", "copy", "--quiet")
    assert found == CropCommand(
        images=(Path("a.nii"), Path("b.nii")),
        output=Path("out"),
        margin=2.5,
        sizes=(3, 4),
        names=("x", "y"),
        channel=("T1=a", "T2=b"),
        edge_mode="copy",
        quiet=True,
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "the following arguments are required: -o/--output"),
        (["-o", "x", "--margin", "wide"], "argument --margin: invalid float value: 'wide'"),
        (["-o", "x", "--edge-mode", "mirror"], "argument --edge-mode: invalid choice: 'mirror'"),
        (["-o", "x", "--names", "one"], "argument --names: expected 2 arguments"),
        (["-o", "x", "--sizes"], "argument --sizes: expected at least one argument"),
        (["-o", "x", "--nope"], "unrecognized arguments: --nope"),
    ],
)
def test_a_wrong_call_is_argparses_sentence_and_exit_code_2(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(*words)
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_help_page_groups_and_describes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--help")
    page = capsys.readouterr().out
    assert re.search(r"\nhow:\n +--sizes .*\n +--edge-mode \{zero,copy\}", re.sub(r"\n {10,}", " ", page))
    assert re.search(r"-o DIR, --output DIR +folder", page)
    assert re.search(r"FILE +volumes", page)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_a_frozen_dataclass_all_of_whose_arguments_are_described(name: str) -> None:
    command = command_class(name)
    assert dataclasses.is_dataclass(command)
    assert command.__dataclass_params__.frozen  # type: ignore[attr-defined]
    parser = argparse.ArgumentParser()
    add_arguments(parser, command)
    for action in parser._actions:
        assert action.help, action.dest


def test_no_untyped_bag_of_arguments_is_left() -> None:
    for path in CLI.glob("*.py"):
        words = {
            token.string
            for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
            if token.type == tokenize.NAME
        }
        assert not words & {"Any", "Namespace"}, path.name


def test_the_help_page_costs_less_than_half_a_second_and_imports_no_command() -> None:
    code = (
        "import json, sys, time\n"
        "from monai_unet.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "print()\nprint(json.dumps([time.process_time(), sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, modules = json.loads(done.stdout.splitlines()[-1])
    assert seconds < 0.5
    assert not {f"monai_unet.cli.{name}" for name in COMMANDS} & set(modules)
    assert not {"torch", "monai", "numpy"} & set(modules)
