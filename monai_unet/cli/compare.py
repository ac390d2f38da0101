"""`monai-unet compare`: two evaluations of the same cases, case by case."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from monai_unet.cli import SOME_FAILED, SUCCESS
from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say
from monai_unet.errors import InputError


@dataclass(frozen=True, kw_only=True)
class CompareCommand(Command):
    """Compare two results and write what differs."""

    first: Annotated[Path, Positional("folder written by evaluate", metavar="A")]
    second: Annotated[Path, Positional("folder written by evaluate, of the same cases", metavar="B")]
    names: Annotated[
        tuple[str, str] | None, Option("what to call them (default: the folders' names)", metavar=("A", "B"))
    ] = None
    output: Annotated[Path, Option("folder of the comparison", metavar="DIR")]
    overwrite: Annotated[bool, Option("replace a comparison that is there")] = False

    def run(self) -> int:
        """Compare and write; 0 all cases compared, 2 some cases or classes are in one result only."""
        from monai_unet.evaluation import (
            compare,
            read_result,
            text_rows,
            write_comparison_json,
            write_comparison_report,
        )
        from monai_unet.io import claim_names, together

        first, second = self.names or self._folder_names()
        if first == second:
            raise InputError(f"Both results would be called {first}; tell them apart with --names A B.")
        comparison = compare(read_result(self.first, name=first), read_result(self.second, name=second))
        names = ["compare.json", "compare.html"]
        claim_names(self.output, names, overwrite=self.overwrite, hint="or say --overwrite")
        with together():
            write_comparison_json(comparison, self.output / "compare.json")
            write_comparison_report(comparison, self.output / "compare.html")
        say(text_rows(comparison))
        alone = len(comparison.only_first) + len(comparison.only_second)
        if alone:
            say(f"not compared, as only one result has them: {alone} cases, see {self.output / 'compare.json'}")
        if comparison.classes_of_one:
            say(f"not compared, as only one result has them: {', '.join(comparison.classes_of_one)}")
        say(f"{comparison.cases} cases compared; report: {self.output / 'compare.html'}")
        return SOME_FAILED if alone or comparison.classes_of_one else SUCCESS

    def _folder_names(self) -> tuple[str, str]:
        """The folders' own names, with the folder above where these are the same."""
        first, second = self.first.resolve(), self.second.resolve()
        if first.name == second.name:
            return "_".join(first.parts[-2:]), "_".join(second.parts[-2:])
        return first.name, second.name
