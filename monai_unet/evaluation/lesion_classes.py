"""Which classes of a label map are scored lesion by lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monai_unet.errors import InputError

LESION_WORDS = ("tumour", "tumor", "lesion", "metasta", "nodule", "cancer", "sarcoma", "glioma", "gtv", "plaque")
"""A class whose name holds one of these is scored by lesion unless the user says otherwise."""


def lesion_values(labels: Mapping[int, str], chosen: Sequence[str] | None = None) -> tuple[int, ...]:
    """Values of the classes that are scored lesion by lesion; the background is none of them.

    >>> lesion_values({0: "background", 1: "liver", 2: "liver tumour"})
    (2,)

    Args:
        labels: name of each label value.
        chosen: names of classes, or "all" or "none" alone; None: those whose name says tumour, lesion, ….

    Raises:
        InputError: a name that no class has.
    """
    names = {name.lower(): value for value, name in labels.items() if value != 0}
    if chosen is None:
        return tuple(value for name, value in names.items() if any(word in name for word in LESION_WORDS))
    if list(chosen) == ["all"]:
        return tuple(names.values())
    if list(chosen) == ["none"]:
        return ()
    unknown = [name for name in chosen if name.lower() not in names]
    if unknown:
        raise InputError(f"--lesions names {unknown[0]}, and the classes are {', '.join(names)}.")
    return tuple(names[name.lower()] for name in chosen)
