"""Which file is which MR sequence, and the cases of a dataset whose images are several sequences."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.datasets.channel import Channel
from monai_unet.io.datasets.decathlon import read_dataset
from monai_unet.io.formats import VOLUME_SUFFIXES
from monai_unet.io.volume import case_name
from monai_unet.mappings import Json

SEGMENTATION = ("seg", "label", "labels", "mask")
_HELD_OUT = 0.1


def match_sequence(text: str, channels: Sequence[Channel]) -> str | None:
    """Name of the channel that a file name or series description speaks of; None when it is none or not clear.

    The longest synonym whose words are all there decides: "t1 mprage tra post" is contrast-enhanced T1 ("mprage post")
    although "t1" stands in it. Case, order, and what separates words do not matter.
    """
    words = set(_words(text).split())
    found: dict[str, int] = {}
    for channel in channels:
        lengths = [len(synonym) for synonym in _synonyms(channel) if set(synonym.split()) <= words]
        if lengths:
            found[channel.name] = max(lengths)
    longest = [name for name, length in found.items() if length == max(found.values())]
    return longest[0] if len(longest) == 1 else None


def _synonyms(channel: Channel) -> list[str]:
    """Name and synonyms as words, the longest first."""
    names = [channel.name, *channel.synonyms]
    return sorted(filter(None, map(_words, names)), key=len, reverse=True)


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9*]+", text.lower()))


def group_sequences(paths: Iterable[Path], channels: Sequence[Channel]) -> dict[str, dict[str, Path]]:
    """Files of several cases as case → channel name → file; what names no channel is left out.

    The case is the file's name without the words of its sequence, or the folder's name where nothing else is left.

    Raises:
        InputError: two files of one case are the same sequence.
    """
    groups: dict[str, dict[str, Path]] = {}
    for path in paths:
        name = case_name(path)
        channel = match_sequence(name, channels)
        if channel is None:
            continue
        case = _without_sequence(name, channel, channels) or path.parent.name
        group = groups.setdefault(case, {})
        if channel in group:
            raise InputError(f"{group[channel]} and {path} are both {channel} of case '{case}'; name the files.")
        group[channel] = path
    return groups


def _without_sequence(name: str, channel: str, channels: Sequence[Channel]) -> str:
    known = next(c for c in channels if c.name == channel)
    present = set(_words(name).split())
    synonym = next(s for s in _synonyms(known) if set(s.split()) <= present)
    for word in synonym.split():
        name = re.sub(rf"(?:^|[^a-z0-9]){re.escape(word)}(?=$|[^a-z0-9])", "", name, count=1, flags=re.IGNORECASE)
    return name.strip(" ._-")


def sequence_cases(
    dataset_dir: str | Path, key: str, channels: Sequence[Channel], *, use: Sequence[str] = ()
) -> list[Json]:
    """Cases of one list (`training`, `validation` or `test`) whose images are several sequences.

    Each has "image" (a list in the order of `channels`, None where a sequence is missing), "label", "name" and
    "convention". Read are: a `dataset.json` whose cases name their files by channel ("flair": …), the Decathlon's
    Task01 (one 4D image, its sequences named under "modality"), and folders of BraTS 2017 to 2023 without a
    `dataset.json` (one folder per case; then a tenth each is validation and test, chosen by the name's hash).

    Args:
        use: names of the channels to use; the others are taken as missing. Empty: all.

    Raises:
        InputError: nothing of this kind there, a list or a file is missing, or an unknown channel is asked for.
    """
    names = [channel.name for channel in channels]
    unknown = [name for name in use if name not in names]
    if unknown:
        raise InputError(f"there is no sequence '{unknown[0]}'; this bundle has {', '.join(names)}.")
    root = Path(dataset_dir)
    cases = _listed(root, key, channels) if (root / "dataset.json").is_file() else _folders(root, key, channels)
    for case in cases:
        case["image"] = [
            file if not use or name in use else None for name, file in zip(names, case["image"], strict=True)
        ]
    cases = [case for case in cases if any(file is not None for file in case["image"])]
    if not cases:
        raise InputError(f"no case under '{key}' in {root} has any of {', '.join(use or names)}.")
    return cases


def _listed(root: Path, key: str, channels: Sequence[Channel]) -> list[Json]:
    dataset = read_dataset(root)
    entries = dataset.get(key)
    # the Decathlon publishes no labels but those of the training list, and no validation list
    if "modality" in dataset and isinstance(dataset.get("training"), list) and not dataset.get("validation"):
        return _share([_case(root, entry, dataset, channels) for entry in dataset["training"]], key)
    if not isinstance(entries, list) or not entries:
        lists = [name for name, value in dataset.items() if isinstance(value, list) and value]
        raise InputError(f"{root / 'dataset.json'} has no cases under '{key}'; it has {', '.join(lists) or 'none'}.")
    return [_case(root, entry, dataset, channels) for entry in entries]


def _case(root: Path, entry: object, dataset: Json, channels: Sequence[Channel]) -> Json:
    if not isinstance(entry, Mapping) or "label" not in entry:
        raise InputError(f"{root / 'dataset.json'}: each case needs its sequences and a label, got {entry!r}.")
    label = _existing(root, entry["label"])
    if "image" in entry:
        image = _existing(root, entry["image"])
        files: list[str | tuple[str, int] | None] = [None] * len(channels)
        names = [channel.name for channel in channels]
        for index, sequence in dict(dataset.get("modality", {})).items():
            channel = match_sequence(str(sequence), channels)
            if channel is not None:
                files[names.index(channel)] = (image, int(index))
        convention, name = str(entry.get("label_convention") or _decathlon_convention(dataset)), case_name(image)
    else:
        by_channel = {match_sequence(key, channels): value for key, value in entry.items() if isinstance(value, str)}
        files = [_existing(root, by_channel[c.name]) if c.name in by_channel else None for c in channels]
        convention = str(entry.get("label_convention") or dataset.get("label_convention") or "BraTS 2023")
        given = [file for file in files if file is not None]
        if not given:
            raise InputError(f"{root / 'dataset.json'}: {entry!r} names no sequence that this bundle knows.")
        name = str(entry.get("name") or Path(str(given[0])).parent.name)
    return {"image": files, "label": label, "name": name, "convention": convention}


def _decathlon_convention(dataset: Json) -> str:
    """Task01 numbers oedema 1 and the core 2; any other dataset states its convention or follows BraTS 2023."""
    first = str(dict(dataset.get("labels", {})).get("1", "")).lower()
    return "Decathlon" if first in ("edema", "oedema") else str(dataset.get("label_convention") or "BraTS 2023")


def _existing(root: Path, relative: object) -> str:
    path = root / str(relative)
    if not path.exists():
        raise InputError(f"{path}, named in {root / 'dataset.json'}, does not exist.")
    return str(path)


def _folders(root: Path, key: str, channels: Sequence[Channel]) -> list[Json]:
    """Folders of BraTS: <case>/<case>_flair.nii.gz …, _seg (2017 to 2021) or <case>-t2f.nii.gz …, -seg (2023)."""
    cases: list[Json] = []
    names = [channel.name for channel in channels]
    for folder in sorted({path.parent for path in root.rglob("*seg*.nii*")}) if root.is_dir() else ():
        volumes = sorted(p for p in folder.iterdir() if p.name.lower().endswith(VOLUME_SUFFIXES))
        labels = [p for p in volumes if set(_words(case_name(p)).split()) & set(SEGMENTATION)]
        groups = group_sequences([p for p in volumes if p not in labels], channels)
        if len(labels) != 1 or len(groups) != 1:
            continue
        files = next(iter(groups.values()))
        # 2023 renamed the sequences (t1n, t1c, t2w, t2f) and numbered enhancing tumour 3 instead of 4
        newer = any(re.search(r"-(t1n|t2f|t2w)$", case_name(p)) for p in volumes)
        convention = "BraTS 2023" if newer else "BraTS 2017-2021"
        image = [str(files[name]) if name in files else None for name in names]
        cases.append({"image": image, "label": str(labels[0]), "name": folder.name, "convention": convention})
    if not cases:
        raise InputError(
            f"{root} holds neither a dataset.json nor folders of BraTS (one per case, with *_seg.nii.gz); "
            "check --dataset_dir."
        )
    return _share(cases, key)


def _share(cases: Sequence[Json], key: str) -> list[Json]:
    """Part `key` of a dataset without lists: ordered by a hash of the name, a tenth each is test and validation."""
    drawn = sorted(cases, key=lambda case: hashlib.sha256(str(case["name"]).encode()).hexdigest())
    tenth = max(1, round(_HELD_OUT * len(drawn))) if len(drawn) > 2 else 0
    parts = {"test": drawn[:tenth], "validation": drawn[tenth : 2 * tenth], "training": drawn[2 * tenth :]}
    chosen = {case["name"] for case in parts.get(key, [])}
    return [case for case in cases if case["name"] in chosen]


def find_sequence_cases(path: str | Path, channels: Sequence[Channel]) -> list[Json]:
    """The cases that a folder given by the user holds, as `sequence_cases` gives them, without labels.

    Volumes are grouped by what stands beside the sequence in their names, or, where no name says a sequence, as nnU-Net
    numbers channels (_0000, _0001, …); label maps and other files are left out.

    Raises:
        InputError: nothing there is a sequence that the bundle knows.
    """
    root = Path(path)
    if not root.exists():
        raise InputError(f"{root} does not exist; check the path.")
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if _is_volume(p))
    groups: dict[str, dict[str, Path]] = dict(group_sequences(files, channels)) or _numbered(files, channels)
    names = [channel.name for channel in channels]
    if not groups:
        known = "; ".join(f"{c.name}: {', '.join(c.synonyms)}" for c in channels)
        raise InputError(
            f"no file name in {root} says which sequence it is ({known}); name the files with --channel, for example "
            f"--channel {names[0]}=FILE."
        )
    return [
        {"image": [str(group[name]) if name in group else None for name in names], "name": case}
        for case, group in groups.items()
    ]


def _numbered(files: Iterable[Path], channels: Sequence[Channel]) -> dict[str, dict[str, Path]]:
    """Files named as for nnU-Net: <case>_0000.nii.gz is the first channel."""
    groups: dict[str, dict[str, Path]] = {}
    for file in files:
        match = re.fullmatch(r"(.+)_(\d{4})", case_name(file))
        if match is not None and int(match[2]) < len(channels):
            groups.setdefault(match[1], {})[channels[int(match[2])].name] = file
    return groups


def _is_volume(path: Path) -> bool:
    words = set(_words(case_name(path)).split())
    return path.is_file() and path.name.lower().endswith(VOLUME_SUFFIXES) and not words & set(SEGMENTATION)
