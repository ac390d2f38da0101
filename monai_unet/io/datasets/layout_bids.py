"""BIDS: masks under `derivatives` (`…_dseg`, `…_mask`), images of the same subject and session."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.datasets.labelled import Draft, LabelClass, LabelledCase
from monai_unet.io.datasets.layout_csv import SITES, read_table
from monai_unet.io.datasets.layout_decathlon import LISTS

_MASKS = ("dseg", "mask")
_NO_IMAGES = (*_MASKS, "probseg", "bold", "dwi", "events")
_SUFFIX = (".nii.gz", ".nii")
_ACQUIRED = ("sub", "ses", "run")


@dataclass(frozen=True)
class _File:
    path: Path
    entities: dict[str, str]
    suffix: str

    @property
    def stem(self) -> str:
        return next(self.path.name[: -len(end)] for end in _SUFFIX if self.path.name.endswith(end))

    @property
    def kind(self) -> str:
        """What a mask shows: its entities but those of the acquisition, and its suffix."""
        more = [f"{k}-{v}" for k, v in self.entities.items() if k in ("desc", "label", "atlas", "seg")]
        return "_".join([*more, self.suffix])


def is_bids(root: Path) -> bool:
    """Whether a folder holds subjects (`sub-…`), itself or below `derivatives`, and masks of them."""
    subjects = [*root.glob("sub-*"), *root.glob("derivatives/**/sub-*")]
    return any(path.is_dir() for path in subjects) and any(True for _ in _files(root, _MASKS))


def read_bids(root: Path, image: Sequence[str], label: str) -> Draft:
    """One case for each mask of a subject's session, with its images of the same session.

    Args:
        image: suffixes of the channels, such as T1w, or more of the name's end (acq-post_T1w); empty: all suffixes that
            every case has.
        label: which masks, where there are several kinds: `desc-lesion_dseg`, or a part of it.

    Raises:
        InputError: several kinds of masks and none is named.
    """
    draft = Draft(root.resolve().name, "BIDS", root)
    masks = _chosen(root, list(_files(root, _MASKS)), label)
    images = [f for f in _files(root, ()) if f.suffix not in _NO_IMAGES]
    if not images and root.resolve().parent.name == "derivatives":
        images = [f for f in _files(root.resolve().parents[1], ()) if f.suffix not in _NO_IMAGES]
    found = [(mask, [one for one in images if _same_session(mask, one)]) for mask in masks]
    draft.channels = tuple(image) or _common([members for _, members in found])
    if not draft.channels:
        draft.faults.append("no image suffix is there in every case with a mask; name some with image")
    sites, parts = _participants(root)
    for mask, members in found:
        paths = [_of_channel(draft, mask, members, channel) for channel in draft.channels]
        if all(paths) and paths:
            name = "_".join(f"{k}-{mask.entities[k]}" for k in _ACQUIRED if k in mask.entities)
            subject = f"sub-{mask.entities['sub']}"
            site, part = sites.get(subject, ""), parts.get(subject, "training")
            absolute = tuple(os.path.abspath(path) for path in paths)
            draft.cases.append(LabelledCase(name, absolute, os.path.abspath(mask.path), subject, site, part))
    marked = {mask.entities["sub"] for mask in masks}
    without = sorted({one.entities["sub"] for one in images} - marked)
    if without:
        draft.notes.append(f"{len(without)} subjects have no mask and are not used, sub-{without[0]} first.")
    draft.classes = _classes(root, masks)
    return draft


def _files(root: Path, suffixes: Sequence[str]) -> Iterator[_File]:
    for path in sorted(root.rglob("sub-*.nii*")):
        if not path.name.endswith(_SUFFIX) or any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        *entities, suffix = re.sub(r"\.nii(\.gz)?$", "", path.name).split("_")
        pairs = dict(entity.split("-", 1) for entity in entities if "-" in entity)
        if "sub" in pairs and (not suffixes or suffix in suffixes):
            yield _File(path, pairs, suffix)


def _chosen(root: Path, masks: Sequence[_File], label: str) -> list[_File]:
    """Masks of one kind."""
    kinds = defaultdict(list)
    for mask in masks:
        kinds[mask.kind].append(mask)
    fitting = [kind for kind in kinds if label in kind] if label else list(kinds)
    exact = [kind for kind in fitting if kind == label]
    if len(exact or fitting) != 1:
        there = ", ".join(f"{kind} ({len(found)})" for kind, found in sorted(kinds.items()))
        raise InputError(f"{root} holds masks of these kinds: {there}; name one with label.")
    return kinds[(exact or fitting)[0]]


def _same_session(mask: _File, image: _File) -> bool:
    if any(mask.entities.get(key) != image.entities.get(key) for key in ("sub", "ses")):
        return False
    return all(mask.entities.get("run", run) == run for run in [image.entities.get("run", mask.entities.get("run"))])


def _common(groups: Sequence[Sequence[_File]]) -> tuple[str, ...]:
    sets = [{one.suffix for one in members} for members in groups]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def _of_channel(draft: Draft, mask: _File, members: Sequence[_File], channel: str) -> str:
    fitting = [one for one in members if one.stem.endswith(f"_{channel}")]
    # an image that lies beside the mask was put on its grid
    beside = [one for one in fitting if one.path.parent == mask.path.parent]
    fitting = beside or fitting
    if len(fitting) == 1:
        return str(fitting[0].path)
    if fitting:
        both = " and ".join(str(one.path) for one in fitting[:2])
        draft.faults.append(f"{both} are both {channel} of {mask.path.name}; name the end of one with image")
    else:
        draft.faults.append(f"{mask.path} has no image {channel} of its subject and session")
    return ""


def _participants(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Site and list of each subject in `participants.tsv`."""
    table = next(
        (r / "participants.tsv" for r in (root, *root.resolve().parents[:2]) if (r / "participants.tsv").is_file()),
        None,
    )
    if table is None:
        return {}, {}
    columns, rows = read_table(table)
    site = next((name for name in SITES if name in columns), "")
    part = next((name for name in ("split", "part") if name in columns), "")
    sites = {row.get("participant_id", ""): row.get(site, "") for row in rows}
    parts = {row.get("participant_id", ""): LISTS.get(row.get(part, "").lower(), "training") for row in rows}
    return sites, parts


def _classes(root: Path, masks: Sequence[_File]) -> tuple[LabelClass, ...]:
    """Names from the table that belongs to the masks (index, name); of a `_mask` what it is a mask of."""
    if masks and masks[0].suffix == "mask":
        entities = masks[0].entities
        return (LabelClass(entities.get("label") or entities.get("desc") or "mask", (1,)),)
    for table in sorted(root.rglob("*dseg.tsv"), key=lambda path: len(path.parts)):
        columns, rows = read_table(table)
        if {"index", "name"} <= set(columns):
            numbered = [(int(row["index"]), row["name"]) for row in rows if row.get("index", "").isdigit()]
            return tuple(LabelClass(name, (value,)) for value, name in numbered if value)
    return ()
