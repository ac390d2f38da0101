"""`monai-unet demo`"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import say
from monai_unet.errors import InputError

if TYPE_CHECKING:
    from monai_unet.samples import DemoResult, TumourDemoResult


@dataclass(frozen=True, kw_only=True)
class DemoCommand(Command):
    """Segment the demonstration's volume and say where the results lie."""

    show: Annotated[Literal["tumour", "hippocampus"], Positional("what to segment (tumour)")] = "tumour"
    output: Annotated[Path, Option("folder for the result (./demo)", short="-o")] = Path("demo")

    def run(self) -> int:
        """A line for each step, then the files."""
        for step in self._steps():
            if isinstance(step, str):
                say(step, flush=True)
            else:
                say(f"mask          {step.mask}\nmeasurements  {step.measurements}\npicture       {step.picture}")
        say("For research use; not a medical device.")
        return 0

    def _steps(self) -> Iterator[str | DemoResult | TumourDemoResult]:
        if self.show == "tumour":
            from monai_unet.samples import patient, run_tumour_demo

            try:
                patient()
            except InputError as error:
                yield f"{error} The hippocampus demonstration follows instead."
            else:
                yield from run_tumour_demo(self.output)
                return
        from monai_unet.samples import run_demo

        yield from run_demo(self.output)
