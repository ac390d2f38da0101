"""`monai-unet gather`"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from monai_unet.cli import FAILURE, SOME_FAILED, SUCCESS
from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say

_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class GatherCommand(Command):
    """One table of all parts of a run, or one report of all parts of an evaluation."""

    output: Annotated[Path, Positional("the folder that --output of segment or evaluate named", metavar="OUT")]
    quiet: Annotated[bool, Option("print nothing but what failed or is missing")] = False

    def run(self) -> int:
        """0 all done, 1 nothing done, 2 some failed or missing."""
        from monai_unet.evaluation import has_parts

        return self._evaluation() if has_parts(self.output) else self._masks()

    def _masks(self) -> int:
        from monai_unet.batch import gather, write_table

        found = gather(self.output)
        table = write_table(found, self.output)
        for warning in found.warnings:
            say(f"monai-unet: {warning}", file=sys.stderr)
        bad = [case for case in found.cases if case.state != "done"]
        for case in bad[:_NAMED]:
            say(f"{case.state}: {case.case}{': ' if case.reason else ''}{case.reason}", file=sys.stderr)
        if len(bad) > _NAMED:
            say(f"… and {len(bad) - _NAMED} more, see {table}", file=sys.stderr)
        done, missing = found.count("done"), found.count("missing") + found.unknown
        if not self.quiet:
            say(f"{done} done, {found.count('failed')} failed, {missing} missing; table: {table}")
        if bad or missing or found.warnings:
            return SOME_FAILED if done else FAILURE
        return SUCCESS

    def _evaluation(self) -> int:
        from monai_unet.evaluation import gather_evaluation, text_table

        gathered = gather_evaluation(self.output)
        for warning in gathered.warnings:
            say(f"monai-unet: {warning}", file=sys.stderr)
        for refusal in gathered.evaluation.refusals:
            say(f"not scored: {refusal.case}: {refusal.reason}", file=sys.stderr)
        if gathered.summary is not None and not self.quiet:
            say(text_table(gathered.summary))
        cases = len(gathered.evaluation.results)
        missing = len(gathered.evaluation.refusals)
        say(f"{cases} of {cases + missing} cases scored; report: {self.output / 'report.html'}")
        if gathered.summary is None:
            return FAILURE
        return SOME_FAILED if missing or gathered.warnings else SUCCESS
