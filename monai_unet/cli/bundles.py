"""`monai-unet bundles`"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from monai_unet.cli.arguments import Command, Option

if TYPE_CHECKING:
    from monai_unet.bundle_format import Bundle


@dataclass(frozen=True, kw_only=True)
class BundlesCommand(Command):
    """List the bundles found: built in, the user's folder, `$MONAI_UNET_BUNDLES`."""

    json: Annotated[bool, Option("for programs")] = False

    def run(self) -> int:
        """Print a row for each."""
        from monai_unet.bundle_format import VARIABLE, find_bundles, user_folder

        rows = [_row(bundle) for bundle in find_bundles()]
        if self.json:
            print(json.dumps(rows, indent=2))
            return 0
        for row in rows:
            notes = [] if row["weights"] else ["no weights"]
            notes += [] if row["built_in"] else ["not built in: runs after --trust"]
            print(f"{row['name']:<20} {row['version']:<8} {row['task']}" + (f"  ({'; '.join(notes)})" if notes else ""))
            print(f"{'':<29} {row['folder']}")
            if row["problem"]:
                print(f"{'':<29} cannot be used: {row['problem']}")
        print(f"More are looked for in {user_folder()} and in the folders named by ${VARIABLE}.")
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
