"""Classes that change places when a patient is mirrored: left and right, told by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LEFT = ("left", "l", "lt", "lh", "sin", "sinister", "sinistra", "sinistro", "links", "linke", "linker", "gauche",
         "izquierdo", "izquierda")  # fmt: skip
_RIGHT = ("right", "r", "rt", "rh", "dex", "dexter", "dextra", "destra", "destro", "rechts", "rechte", "rechter",
          "droit", "droite", "derecho", "derecha")  # fmt: skip
_SHORT = ("l", "r")
_UNLIKE = re.compile(
    r"atri|ventric|heart|myocard|cardiac|coronar|pulmonary|lobe|colon|liver|bundle branch|auric|append"
)
"""Organs whose left and right parts are no mirror images of each other: a mirrored heart is no heart."""

_ALIKE = re.compile(r"lateral ventric|brain|cerebr|frontal|temporal|parietal|occipital")


@dataclass(frozen=True)
class Sides:
    """What mirroring left and right does to the classes.

    Attributes:
        pairs: positions (from 1, as class indices) of classes that change places, left first.
        alone: positions of classes that are of one side and have no mirror image among the classes: with these,
            nothing may be mirrored along R.
    """

    pairs: tuple[tuple[int, int], ...] = ()
    alone: tuple[int, ...] = ()


def sides_of(names: Sequence[str]) -> Sides:
    """Pairs of classes by their names.

    >>> sides_of(["brainstem", "right parotid", "left parotid", "left ventricle"])
    Sides(pairs=((3, 2),), alone=(4,))
    """
    found: dict[tuple[str, ...], dict[str, int]] = {}
    for index, name in enumerate(names, 1):
        words = _words(name)
        for side, sided in (("left", _LEFT), ("right", _RIGHT)):
            which = [n for n, word in enumerate(words) if word in sided]
            if which:
                rest = (*words[: which[0]], "*", *words[which[0] + 1 :])
                found.setdefault(rest, {}).setdefault(side, index)
                break
    pairs, alone = [], []
    for rest, members in found.items():
        whole = " ".join(rest)
        mirrored = not _UNLIKE.search(whole) or _ALIKE.search(whole)
        if len(members) == 2 and mirrored:
            pairs.append((members["left"], members["right"]))
        else:
            alone += [index for index in members.values() if len(members) == 2 or not _is_letter(names[index - 1])]
    return Sides(tuple(sorted(pairs)), tuple(sorted(alone)))


def _is_letter(name: str) -> bool:
    """Whether a single L or R is all that says a side, which may as well be something else."""
    words = _words(name)
    return not any(w in (*_LEFT, *_RIGHT) and w not in _SHORT for w in words)


def _words(name: str) -> tuple[str, ...]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[^\W\d_]+|\d+", spaced.lower()))
