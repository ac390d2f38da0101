"""`monai-unet bundles`"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from monai_unet.cli.arguments import Command, Option, Positional
from monai_unet.cli.letters import rewrite_line, say, say_json, say_notes
from monai_unet.errors import InputError

if TYPE_CHECKING:
    from monai_unet.bundle_format import Bundle
    from monai_unet.bundle_format.zoo import Fetched

_SHOWN_EVERY = 0.2


@dataclass(frozen=True, kw_only=True)
class BundlesCommand(Command):
    """List the bundles found: built in, the user's folder, `$MONAI_UNET_BUNDLES`; or fetch one of the Model Zoo."""

    action: Annotated[
        Literal["list", "zoo", "get"],
        Positional("list: what is here (default); zoo: what the Model Zoo offers; get: download one of it"),
    ] = "list"
    name: Annotated[str, Positional("of the bundle to get; NAME@VERSION for a version or a commit", "NAME")] = ""
    trust: Annotated[
        bool, Option("agree to run what is downloaded (its config can run any code); else it is asked when it runs")
    ] = False
    json: Annotated[bool, Option("for programs")] = False

    def run(self) -> int:
        """Print a row for each; or fetch, show the licence, and say where it is."""
        if (self.action == "get") != bool(self.name):
            raise InputError("Write 'monai-unet bundles get NAME'; 'monai-unet bundles zoo' lists the names.")
        if self.action == "get":
            return self._get()
        return self._zoo() if self.action == "zoo" else self._list()

    def _list(self) -> int:
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

    def _zoo(self) -> int:
        from monai_unet.bundle_format.zoo import list_models

        models = list_models()
        if self.json:
            say_json([{"name": m.name, "version": m.version, "licence": m.licence} for m in models])
            return 0
        for model in models:
            say(f"{model.name:<52} {model.version or 'newest':<10} {model.licence}".rstrip())
        say(f"{len(models)} that segment volumes; 'monai-unet bundles get NAME' downloads one.")
        return 0

    def _get(self) -> int:
        from monai_unet.bundle_format import trust
        from monai_unet.bundle_format.zoo import download, licence_of

        fetched = _drained(download(self.name))
        if self.trust:
            trust(fetched.bundle)
        bundle = fetched.bundle
        if self.json:
            found = {"version": fetched.version, "source": fetched.source, "sha256": fetched.sha256}
            say_json(_row(bundle) | found | {"licence": licence_of(bundle), "notes": list(fetched.notes)})
            return 0
        say(licence_of(bundle), end="\n\n")
        say(f"{bundle.name} {fetched.version} is in {bundle.root}")
        say(f"from {fetched.source}, sha256 of its files {fetched.sha256}")
        say_notes(fetched.notes)
        if not self.trust:
            say(
                "Its licence stands above. Nothing of it has run; it runs after --trust, or after your yes in the dock."
            )
        return 0


def _drained(steps: Generator[tuple[int, int], None, Fetched]) -> Fetched:
    """What a download returns, its progress shown on a terminal."""
    from monai_unet.generators import drain

    shown = 0.0

    def show(step: tuple[int, int]) -> None:
        nonlocal shown
        if sys.stderr.isatty() and time.monotonic() - shown > _SHOWN_EVERY:
            shown, (done, total) = time.monotonic(), step
            rewrite_line(f"{done / 1e6:.1f}" + (f" of {total / 1e6:.1f}" if total else "") + " MB", file=sys.stderr)

    try:
        return drain(steps, show)
    finally:
        if shown:
            rewrite_line(file=sys.stderr)


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
