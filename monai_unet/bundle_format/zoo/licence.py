"""The licence that a bundle comes under, in its own words."""

from __future__ import annotations

from monai_unet.bundle_format.catalogue import Bundle

_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "docs/license.txt", "docs/data_license.txt")
_MOST = 1 << 20


def licence_of(bundle: Bundle) -> str:
    """What a bundle says about its copyright and licences, its files in full; a warning where it says nothing."""
    description = bundle.description
    parts = [text for text in (description.copyright, description.license) if text]
    if description.data_source:
        parts.append(f"Trained on: {description.data_source}")
    for name in _FILES:
        path = bundle.root / name
        if path.is_file():
            with path.open(encoding="utf-8", errors="replace") as file:
                parts.append(f"-- {name} --\n{file.read(_MOST).strip()}")
    return "\n\n".join(parts) or "This bundle states no licence: ask its authors before you use it."
