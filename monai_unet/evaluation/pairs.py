"""Which prediction belongs to which reference: two folders, a data set, an nnU-Net raw folder, or a CSV of pairs.

What does not pair up is never skipped: it becomes a `Refusal` that is listed with the results.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io import case_name, find_cases, find_results, read_dataset
from monai_unet.io.datasets import unique_names
from monai_unet.mappings import Json

NNUNET_FOLDERS = {"training": "Tr", "test": "Ts"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One case: paths of prediction and reference, and where known of the image and the foreground probabilities.

    Attributes:
        series: which DICOM series of the first image is meant; empty where there is no choice.
    """

    case: str
    prediction: str
    reference: str
    images: tuple[str, ...] = ()
    probabilities: str = ""
    series: str = ""


@dataclass(frozen=True)
class Refusal:
    """A case that cannot be scored, and why."""

    case: str
    reason: str


@dataclass(frozen=True)
class Pairing:
    """The cases of an evaluation, in order, what was refused, and the label names if the source states them."""

    pairs: tuple[Pair, ...]
    refusals: tuple[Refusal, ...] = ()
    labels: Mapping[int, str] | None = None


def pair_folders(
    predictions: str | Path,
    references: str | Path,
    *,
    images: str | Path | None = None,
    probabilities: str | Path | None = None,
    named: bool = False,
) -> Pairing:
    """Pair two folders by case name.

    Args:
        images: folder with the image of each case, a volume or DICOM at any depth (`find_cases`); if None, the
            `images…` folder beside a `labels…` one.
        probabilities: folder with the foreground probability of each case.
        named: the caller names the labels, so those of a `dataset.json` beside the references are left alone.

    Raises:
        InputError: a folder does not exist or holds no volume.
    """
    left, right = _by_name(Path(predictions)), _by_name(Path(references))
    root = Path(references).resolve().parent
    shown = _images_in(Path(images)) if images else _images_beside(Path(references))
    nothing = _Images()
    pairs, refusals = [], []
    for case in sorted(left.keys() | right.keys()):
        problem = _problem(case, left.get(case, ()), right.get(case, ()), Path(predictions), Path(references))
        if problem:
            refusals.append(Refusal(case, problem))
        else:
            pairs.append(
                Pair(
                    case,
                    str(left[case][0]),
                    str(right[case][0]),
                    (image := shown.get(case, nothing)).files,
                    _probabilities(probabilities, case),
                    image.series,
                )
            )
    labels = label_names(read_dataset(root)) if (root / "dataset.json").is_file() and not named else None
    return Pairing(tuple(pairs), tuple(refusals), labels)


def pair_dataset(
    dataset: str | Path,
    key: str,
    predictions: str | Path,
    *,
    made_later: bool = False,
    probabilities: str | Path | None = None,
    named: bool = False,
) -> Pairing:
    """Pair the cases of one list of a data set with `<predictions>/<case>.nii.gz`.

    Args:
        dataset: folder in Decathlon layout, or an nnU-Net raw folder (then `key` is `training` or `test`).
        made_later: the predictions do not exist yet; every case needs an image instead.
        named: the caller names the labels, so those of `dataset.json` are left alone.

    Raises:
        InputError: no such data set or list, or it is empty.
    """
    root = Path(dataset)
    content = read_dataset(root)
    entries = _entries(root, content, key)
    references = unique_names([entry["reference"] for entry in entries])
    # an nnU-Net image carries a channel number, so there the label names the case
    listed = isinstance(content.get(key), list) and all(entry["images"] for entry in entries)
    names = unique_names([entry["images"][0] for entry in entries]) if listed else references
    available = {} if made_later else _by_name(Path(predictions))
    times = Counter(names)
    pairs, refusals = [], []
    for case, other, entry in zip(names, references, entries, strict=True):
        found = available.get(case) or available.get(other, ())
        prediction = str(Path(predictions) / f"{case}.nii.gz") if made_later else "".join(map(str, found[:1]))
        missing = [path for path in (entry["reference"], *entry["images"] * made_later) if not Path(path).exists()]
        if times[case] > 1:
            reason = f"{root / 'dataset.json'} lists it {times[case]} times under '{key}'; keep one."
            refusals.append(Refusal(case, reason))
        elif missing:
            refusals.append(Refusal(case, f"{missing[0]}, named in {root / 'dataset.json'}, does not exist."))
        elif made_later and not entry["images"]:
            refusals.append(Refusal(case, f"{root / 'dataset.json'} names no image for it, so it cannot be segmented."))
        elif not prediction:
            refusals.append(Refusal(case, f"{predictions} holds no prediction named {case}; add it."))
        elif len(found) > 1:
            refusals.append(Refusal(case, f"there are two predictions, {found[0]} and {found[1]}; remove one."))
        else:
            pairs.append(
                Pair(
                    case,
                    prediction,
                    entry["reference"],
                    tuple(entry["images"]),
                    _probabilities(probabilities, case),
                    entry["series"],
                )
            )
    return Pairing(tuple(pairs), tuple(dict.fromkeys(refusals)), None if named else label_names(content))


def pair_csv(path: str | Path) -> Pairing:
    """Pairs of a CSV with the columns `prediction` and `reference`, and if wanted `case`, `image`, `series` of a DICOM
    image that holds several, `probabilities`.

    Paths are relative to the CSV's folder.

    Raises:
        InputError: the file is missing, empty, or lacks a column.
    """
    table = Path(path)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except FileNotFoundError:
        raise InputError(f"{table} does not exist; check the path.") from None
    except UnicodeDecodeError:
        raise InputError(f"{table} is not text in UTF-8; save it as CSV.") from None
    lacking = [name for name in ("prediction", "reference") if name not in (reader.fieldnames or ())]
    if lacking:
        raise InputError(f"{table} has no column {' or '.join(lacking)}; its first line must name the columns.")
    if not rows:
        raise InputError(f"{table} names no case; add one line per case.")
    names = [row.get("case") or "" for row in rows]
    if not all(names):
        names = unique_names([row["reference"] for row in rows])
    times = Counter(names)
    pairs, refusals = [], []
    for case, row in zip(names, rows, strict=True):
        columns = ("prediction", "reference", "image", "probabilities")
        paths = {key: str(table.parent / row[key]) if row.get(key) else "" for key in columns}
        missing = [key for key in ("prediction", "reference") if not paths[key]]
        if missing:
            refusals.append(Refusal(case, f"{table} names no {' and no '.join(missing)} for it."))
        elif times[case] > 1:
            refusals.append(Refusal(case, f"{table} names {times[case]} cases {case}; give each its own name."))
        else:
            images = (paths["image"],) if paths["image"] else ()
            series = (row.get("series") or "").strip()
            pairs.append(Pair(case, paths["prediction"], paths["reference"], images, paths["probabilities"], series))
    return Pairing(tuple(pairs), tuple(dict.fromkeys(refusals)))


def label_names(dataset: Mapping[str, object]) -> dict[int, str] | None:
    """Names of the label values of a parsed `dataset.json`, Decathlon's `{"1": "liver"}` or nnU-Net's `{"liver": 1}`.

    Raises:
        InputError: labels that are regions of several values or mark voxels to ignore, or cannot be read.
    """
    labels = dataset.get("labels")
    if not isinstance(labels, Mapping):
        return None
    if "ignore" in labels:
        raise InputError(
            f"dataset.json marks voxels to ignore (label {labels['ignore']}), which no score here leaves out; "
            "relabel them, or name every value with --labels 1=NAME 2=NAME."
        )
    try:
        if all(str(key).isdigit() for key in labels):
            return {int(key): str(name) for key, name in labels.items()}
        return {int(value): str(name) for name, value in labels.items()}
    except (TypeError, ValueError):
        raise InputError(
            f"the labels in dataset.json, {labels}, are not one value each; name them with --labels 1=NAME 2=NAME."
        ) from None


def _entries(root: Path, content: Mapping[str, object], key: str) -> list[Json]:
    listed = content.get(key)
    if isinstance(listed, list) and listed:
        entries = [entry for entry in listed if isinstance(entry, Mapping) and entry.get("label")]
        if len(entries) < len(listed):
            raise InputError(
                f"{root / 'dataset.json'} has {len(listed) - len(entries)} cases without a label under '{key}'; "
                "only labelled cases can be scored."
            )
        return [
            {
                "reference": str(root / entry["label"]),
                "images": [str(root / path) for path in _as_list(entry.get("image"))],
                "series": str(entry.get("series") or ""),
            }
            for entry in entries
        ]
    folder = root / f"labels{NNUNET_FOLDERS.get(key, '')}"
    if key in NNUNET_FOLDERS and folder.is_dir():
        images = _images_beside(folder)
        nothing = _Images()
        return [
            {
                "reference": str(path),
                "images": list((image := images.get(case, nothing)).files),
                "series": image.series,
            }
            for case, paths in sorted(_by_name(folder).items())
            for path in paths
        ]
    lists = [name for name, value in content.items() if isinstance(value, list) and value]
    raise InputError(f"{root / 'dataset.json'} has no cases under '{key}'; it has {', '.join(lists) or 'none'}.")


def _as_list(value: str | Iterable[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _by_name(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Label maps by case name."""
    found: dict[str, list[Path]] = defaultdict(list)
    for label_map in find_results(folder):
        path = Path(label_map["image"])
        # two files of one case are a fault of the case, by whatever name they were told apart
        found[case_name(path) if path.parent == folder else label_map["name"]].append(path)
    return {name: tuple(paths) for name, paths in found.items()}


@dataclass(frozen=True)
class _Images:
    files: tuple[str, ...] = ()
    series: str = ""


def _images_beside(references: Path) -> dict[str, _Images]:
    """Images of each case in the `images…` folder beside a `labels…` folder; nnU-Net's channel number is cut."""
    folder = references.parent / references.name.replace("labels", "images")
    if folder == references or not folder.is_dir():
        return {}
    try:
        return _images_in(folder)
    except InputError:
        # nobody named it
        return {}


def _images_in(folder: Path) -> dict[str, _Images]:
    """Images by case name; a folder with several series in it is an image too, from which a SEG finds its own."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name the folder that holds the images.")
    cases = find_cases(folder)
    found: dict[str, _Images] = {}
    channels: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        name = case["name"]
        found[name] = _Images((case["image"],), case.get("series", ""))
        if len(name) > 5 and name[-5] == "_" and name[-4:].isdigit():
            channels[name[:-5]].append(case["image"])
    for name, files in channels.items():
        found.setdefault(name, _Images(tuple(files)))
    for case in cases:
        below = Path(case["image"]).relative_to(folder).parts if Path(case["image"]) != folder else ()
        if len(below) > 1:
            found.setdefault(below[0], _Images((str(folder / below[0]),)))
    return found


def _problem(case: str, left: Sequence[Path], right: Sequence[Path], predictions: Path, references: Path) -> str:
    if not left:
        return f"{predictions} holds no prediction named {case}, and {right[0]} is its reference; add it."
    if not right:
        return f"{references} holds no reference named {case}, and {left[0]} is its prediction; add it or remove this."
    for paths in (left, right):
        if len(paths) > 1:
            return f"there are two files for this case, {paths[0]} and {paths[1]}; remove one."
    return ""


def _probabilities(folder: str | Path | None, case: str) -> str:
    return str(Path(folder) / f"{case}.nii.gz") if folder else ""
