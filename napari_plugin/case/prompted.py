"""Which prompts made an object, on which series, answered by what: for the provenance of a saved result (no Qt)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monai_unet.bundle_format import Bundle, find_bundle
from monai_unet.errors import InputError
from monai_unet.interaction.session import EditSession
from monai_unet.mappings import Json


@dataclass(frozen=True)
class Prompted:
    """One object that prompts were given on.

    Attributes:
        name: of the object.
        prompts: how many.
        series: names of the images that were shown when they were given.
        methods: names of what answered.
    """

    name: str
    prompts: int
    series: tuple[str, ...]
    methods: tuple[str, ...]

    def stated(self) -> Json:
        """As it stands in a file: each network with its version and the SHA-256 of its weights."""
        methods = [_method(name) for name in self.methods]
        return {"object": self.name, "prompts": self.prompts, "series": list(self.series), "answered_by": methods}


def prompted_by(session: EditSession, names: Mapping[str, str]) -> tuple[Prompted, ...]:
    """The objects of a session that have prompts.

    Args:
        names: key of a series → its name.
    """
    found = []
    for item in session.objects:
        prompts = session.prompts(item.value)
        if prompts:
            series = dict.fromkeys(names.get(p.series, p.series) or next(iter(names.values()), "") for p in prompts)
            methods = dict.fromkeys(p.method for p in prompts if p.method)
            found.append(Prompted(item.name, len(prompts), tuple(series), tuple(methods)))
    return tuple(found)


def bundle_named(method: str) -> Bundle | None:
    """The bundle that a method is; None for the classical one, and for one that is here no more."""
    try:
        return find_bundle(method) if method else None
    except InputError:
        return None


def _method(name: str) -> Json:
    bundle = bundle_named(name)
    if bundle is None:
        return {"method": name}
    return {"bundle": name, "version": bundle.description.version, "weights_sha256": bundle.description.weights_sha256}
