"""`monai-unet serve`: the editor behind nnInteractive's protocol, for its clients in 3D Slicer and napari."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from monai_unet.cli.arguments import Command, Option
from monai_unet.cli.letters import say


@dataclass(frozen=True, kw_only=True)
class ServeCommand(Command):
    """Answer prompts of other programs on this computer; of other computers where a key is set."""

    config: Annotated[Path | None, Option("settings, a TOML file (see docs/serving.md)", metavar="FILE")] = None
    bundle: Annotated[str | None, Option("an editor, or classical (default lesion_editor)", metavar="NAME")] = None
    host: Annotated[str | None, Option("address to listen on (127.0.0.1)", metavar="ADDRESS")] = None
    port: Annotated[int | None, Option("(1527)", metavar="N")] = None
    key_file: Annotated[str | None, Option("file whose first line clients must send as their key", metavar="FILE")] = (
        None
    )
    trust: Annotated[bool, Option("agree to run a model that is not built in (its config can run any code)")] = False
    check: Annotated[bool, Option("look at the settings, the model and the port, and end")] = False

    def run(self) -> int:
        """Serve until stopped."""
        from monai_unet.interaction.serving import check_settings, read_settings, serve

        settings = read_settings(
            self.config, bundle=self.bundle, host=self.host, port=self.port, key_file=self.key_file
        )
        if self.check:
            for line in check_settings(settings):
                say(line)
            return 0
        serve(settings, trust=self.trust, said=lambda line: say(line, flush=True))
        return 0
