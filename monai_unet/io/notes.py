"""What was unusual about reading a volume: a tuple of sentences, from the reader to the provenance of the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NOTES = "notes"
"""Key of a volume's `meta` under which its notes stand."""


def notes_of(meta: Mapping[str, object]) -> tuple[str, ...]:
    """The notes of a volume, given its `meta`; none where it holds none.

    A DataLoader gives back a list for a tuple, and None for an empty one; a volume made elsewhere may hold one string.

    >>> notes_of({"notes": ("the sform is singular, the qform is used",)})
    ('the sform is singular, the qform is used',)
    >>> notes_of({})
    ()
    """
    found = meta.get(NOTES)
    if isinstance(found, str):
        return (found,) if found else ()
    return tuple(str(note) for note in found) if isinstance(found, list | tuple) else ()


def joined_notes(several: Iterable[Mapping[str, object]]) -> tuple[str, ...]:
    """The notes of several volumes that become one, each sentence once, in their order."""
    return tuple(dict.fromkeys(note for meta in several for note in notes_of(meta)))
