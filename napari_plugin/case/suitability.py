"""Whether a bundle suits what is open: what its metadata asks for, against what is there (no Qt)."""

from __future__ import annotations

from collections.abc import Sequence

from monai_unet.bundle_format import Bundle
from monai_unet.io import case_name
from monai_unet.io.datasets import Channel, Entry, match_sequence, size_warnings, skull_warnings
from napari_plugin.case.models import guess
from napari_plugin.case.opening import OpenImage
from napari_plugin.viewer import is_ct


def unsuited(bundle: Bundle, images: Sequence[OpenImage], entries: Sequence[Entry]) -> str:
    """Why a bundle does not suit the open images, in a few words; empty where nothing speaks against it.

    Modality, sequences, skull, voxel size and field of view, as its metadata declares them.

    Args:
        entries: what else the study holds, and could be shown.
    """
    channels = bundle.description.channels
    if not images or not channels:
        return ""
    given = [images[index] if index >= 0 else None for index in guess(channels, images)]
    for channel, image in zip(channels, given, strict=True):
        reason = _against(channel, image) if image is not None else ""
        if reason:
            return reason
    if any(image is not None for image in given):
        missing = [c for c, i in zip(channels, given, strict=True) if i is None and not c.optional]
        recognised = recognised_entries(missing, entries)
        lacking = [channel.name for channel in missing if channel.name not in recognised]
        return f"needs {' and '.join(lacking)}" if lacking else ""
    wrong = [_modality(channel, images[0]) for channel in channels]
    if all(wrong):
        return wrong[0]
    return "" if recognised_entries(channels, entries) else f"needs {wanted(channels)}"


def wanted(channels: Sequence[Channel]) -> str:
    """The sequences that a model asks for, in words."""
    names = [channel.name for channel in channels]
    needed = [channel.name for channel in channels if not channel.optional]
    return f"any of {', '.join(names)}" if len(names) > 1 and not needed else " and ".join(needed or names)


def recognised_entries(channels: Sequence[Channel], entries: Sequence[Entry]) -> dict[str, Entry]:
    """Name of a channel → the series of the study whose description speaks of it."""
    found: dict[str, Entry] = {}
    for entry in entries:
        spoken = match_sequence(entry.description or case_name(entry.path), channels)
        if spoken and not entry.problems:
            found.setdefault(spoken, entry)
    return found


def _against(channel: Channel, image: OpenImage) -> str:
    reason = _modality(channel, image)
    if reason:
        return reason
    if channel.skull_stripped and skull_warnings(image.volume):
        return "needs a brain without its skull"
    sizes = size_warnings(image.volume, channel.expected)
    return sizes[0].rstrip(".") if sizes else ""


def _modality(channel: Channel, image: OpenImage) -> str:
    needed = channel.expected.modality or channel.modality
    is_now = image.modality or ("CT" if is_ct(image.array) else "")
    if needed and is_now and needed != is_now:
        return f"needs {needed}, this is {is_now}"
    if needed == "CT" and not is_now:
        return "needs CT in Hounsfield units"
    return ""
