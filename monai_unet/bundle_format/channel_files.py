"""Which of the files a user gives is which channel of a bundle; optional channels may be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io import case_name, find_series, match_sequence
from monai_unet.io.datasets import Channel
from monai_unet.io.dicom import is_dicom


def named_files(
    given: Mapping[str, str | Path | None], channels: Sequence[Channel], *, bundle: str
) -> list[Path | None]:
    """Files by channel name, in the bundle's order; None where an optional one is missing.

    Names are taken as in the metadata, or by their synonyms, whatever their case.

    Raises:
        InputError: a name that the bundle does not have, the same one twice, or a channel is missing that it needs.
    """
    names = [channel.name for channel in channels]
    found: dict[str, Path] = {}
    for given_name, path in given.items():
        name = match_sequence(given_name, channels)
        if name is None:
            raise InputError(f"'{bundle}' has no channel '{given_name}'; it has {', '.join(names)}.")
        if name in found:
            raise InputError(f"{found[name]} and {path} were both given as {name}; give one.")
        if path is not None:
            found[name] = Path(path)
    return _complete(found, channels, bundle)


def ordered_files(paths: Sequence[Path], channels: Sequence[Channel], *, bundle: str) -> list[Path | None]:
    """Files without names, in the bundle's order.

    One for each channel of a bundle that needs all of them: as they come. Where channels are optional, or fewer
    files come than channels, file names and the descriptions of DICOM series say which is which; else their order does.

    Raises:
        InputError: it cannot be told which file is which, or a channel is missing that the bundle needs.
    """
    names = [channel.name for channel in channels]
    some_optional = any(channel.optional for channel in channels)
    if not channels or (len(paths) == len(channels) and not some_optional):
        return list(paths)
    if not some_optional:
        raise InputError(
            f"'{bundle}' needs {len(names)} image{'s' if len(names) > 1 else ''}, in this order: {', '.join(names)}; "
            f"{len(paths)} {'was' if len(paths) == 1 else 'were'} given."
        )
    found: dict[str, Path] = {}
    for path in paths:
        name = sequence_of(path, channels)
        if name is None or name in found:
            if len(paths) == len(channels):
                return list(paths)
            why = f"{found[name]} is {name} too" if name is not None else "its name does not say"
            raise InputError(
                f"it is not clear which of {', '.join(names)} {path} is ({why}); give it by name, for example "
                f"--channel {names[0]}={path}."
            )
        found[name] = path
    return _complete(found, channels, bundle)


def sequence_of(path: Path, channels: Sequence[Channel]) -> str | None:
    """Channel that a file's name, or the description of the one DICOM series below a path, speaks of."""
    if path.is_dir() or (path.is_file() and is_dicom(path)):
        try:
            images = [series for series in find_series(path) if series.is_image]
        except InputError:
            images = []
        if len(images) == 1:
            return match_sequence(images[0].description, channels) or match_sequence(path.name, channels)
    return match_sequence(case_name(path), channels)


def _complete(found: Mapping[str, Path], channels: Sequence[Channel], bundle: str) -> list[Path | None]:
    needed = [channel.name for channel in channels if not channel.optional]
    missing = [name for name in needed if name not in found]
    if missing:
        raise InputError(
            f"'{bundle}' cannot do without {', '.join(missing)}; give it with --channel {missing[0]}=FILE."
        )
    if not found:
        names = ", ".join(channel.name for channel in channels)
        raise InputError(f"'{bundle}' needs at least one of {names}; give it with --channel NAME=FILE.")
    return [found.get(channel.name) for channel in channels]
