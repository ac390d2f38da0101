"""`monai-unet bundles`"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from monai_unet.cli.arguments import Command, Option
from monai_unet.cli.letters import say, say_json

if TYPE_CHECKING:
    from monai_unet.bundle_format import Bundle


@dataclass(frozen=True, kw_only=True)
class BundlesCommand(Command):
    """List the bundles found: built in, the user's folder, `$MONAI_UNET_BUNDLES`."""

    json: Annotated[bool, Option("for programs")] = False

    def run(self) -> int:
        """Print a row for each."""
        from monai_unet.bundle_format import VARIABLE, find_bundles, user_folder
        from monai_unet.io import plain

        rows = [_row(bundle) for bundle in find_bundles()]
        if self.json:
            say_json(rows)
            return 0
        for row in (
            {key: plain(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows
        ):
            notes = [] if row["weights"] else ["no weights"]
            notes += [] if row["built_in"] else ["not built in: runs after --trust"]
            say(f"{row['name']:<20} {row['version']:<8} {row['task']}" + (f"  ({'; '.join(notes)})" if notes else ""))
            say(f"{'':<29} {row['folder']}")
            if row["problem"]:
                say(f"{'':<29} cannot be used: {row['problem']}")
        say(f"More are looked for in {user_folder()} and in the folders named by ${VARIABLE}.")
        return 0


def _row(bundle: Bundle) -> dict[str, str | bool]:
    problem = bundle.problem
    description = None if problem else bundle.description
    return {
        "name": bundle.name,
        "task": (description.task or description.description) if description else "",
        "version": description.version if description else "",
        "weights": bundle.has_weights,
        "built_in": bundle.built_in,
        "folder": str(bundle.root),
        "problem": problem,
    }
