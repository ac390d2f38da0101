"""A mask in whatever file, with the names of its structures and what drew them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from monai.data import MetaTensor

from monai_unet.errors import InputError
from monai_unet.io.dicom import SourceSeries, kind_of, read_rtstruct, read_seg
from monai_unet.io.formats import LabelEntry
from monai_unet.io.results import AlgorithmIdentity, Segment, StoredSegmentation
from monai_unet.io.volume import case_name, read_label_table, read_volume
from monai_unet.mappings import Json


@dataclass(frozen=True, eq=False)
class MaskFile:
    """Named masks.

    Attributes:
        masks: label map (1, S, A, R), or one mask per segment (N, S, A, R) where they overlap or are fractions.
        segments: their names; what the file gives no name is not in it.
        algorithm: what drew them, where the file or the provenance beside it says so.
        fractional: whether masks hold fractions from 0 to 1.
    """

    masks: MetaTensor
    segments: tuple[Segment, ...]
    algorithm: AlgorithmIdentity | None = None
    fractional: bool = False

    def table(self) -> dict[int, LabelEntry]:
        """Names and colours, for the header of a volume file."""
        return {segment.number: LabelEntry(segment.name, segment.rgb) for segment in self.segments}


def read_mask_file(
    path: str | Path,
    *,
    source: SourceSeries | None = None,
    names: Mapping[int, str] = MappingProxyType({}),
    threshold: float | None = None,
) -> MaskFile:
    """Read NIfTI, NRRD, MetaImage, DICOM SEG or RTSTRUCT.

    Names come from `names`, else from the file, else from the provenance `<case>.json` that `monai-unet segment` writes
    beside a mask.

    Args:
        source: the DICOM series it was drawn on: needed for RTSTRUCT, and puts a SEG on its voxels.
        threshold: of a fractional SEG, to make a label map of it.

    Raises:
        InputError: not readable as a mask, or an RTSTRUCT without source.
    """
    path = Path(path)
    kind = kind_of(path) if path.is_file() else None
    if kind == "sr":
        raise InputError(f"{path} is a structured report, which holds no mask; give the SEG it refers to.")
    if kind == "rtstruct" and source is None:
        raise InputError(f"{path} holds contours, which need the images they were drawn on; give --source DICOM_DIR.")
    if kind == "rtstruct" and source is not None:
        found = _stored(read_rtstruct(path, source=source), threshold)
    elif kind == "seg":
        found = _stored(read_seg(path, source=source), threshold)
    else:
        found = _volume(path)
    return _renamed(found, names)


def _stored(stored: StoredSegmentation, threshold: float | None) -> MaskFile:
    name = next((segment.algorithm for segment in stored.segments if segment.algorithm), "unknown")
    made_by = {segment.made_by for segment in stored.segments}
    kind = made_by.pop() if made_by in ({"AUTOMATIC"}, {"MANUAL"}) else "SEMIAUTOMATIC"
    algorithm = AlgorithmIdentity(name, "unknown", made_by=kind)
    if stored.fractional and threshold is None:
        return MaskFile(stored.masks(), stored.segments, algorithm, fractional=True)
    try:
        return MaskFile(stored.label_map(threshold=threshold), stored.segments, algorithm)
    except InputError:
        if stored.fractional:
            raise
        return MaskFile(stored.masks(), stored.segments, algorithm)


def _volume(path: Path) -> MaskFile:
    volume = read_volume(path)
    array = volume.numpy()
    if not np.array_equal(array, np.rint(array)) or array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
        raise InputError(f"{path} is an image, not a mask: its values are not the numbers of labels.")
    labels = array.astype(np.min_scalar_type(int(array.max())))
    stated = _provenance(path)
    table = read_label_table(path) or {
        int(value): LabelEntry(str(name)) for value, name in dict(stated.get("labels", {})).items()
    }
    segments = [Segment(value, entry.name, color=entry.color) for value, entry in sorted(table.items()) if value > 0]
    algorithm = None
    if "bundle" in stated:
        algorithm = AlgorithmIdentity(
            str(stated["bundle"]), str(stated.get("version") or "unknown"), str(stated.get("weights_sha256") or "")
        )
    return MaskFile(MetaTensor(labels, meta=dict(volume.meta)), tuple(segments), algorithm)


def _provenance(path: Path) -> Json:
    """What `monai-unet segment` wrote beside the mask; empty where there is nothing of the kind."""
    try:
        stated = json.loads(path.with_name(case_name(path) + ".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stated if isinstance(stated, dict) and "bundle" in stated else {}


def _renamed(found: MaskFile, names: Mapping[int, str]) -> MaskFile:
    known = {segment.number: segment for segment in found.segments}
    for number, name in names.items():
        known[number] = replace(known[number], name=name, meaning=None) if number in known else Segment(number, name)
    return replace(found, segments=tuple(known[number] for number in sorted(known)))


def parse_names(words: Sequence[str]) -> dict[int, str]:
    """Label values and names from words like `1=tumour`, or from one file.

    A file is JSON, `{"1": "tumour"}`, `{"tumour": 1}` or with such a table under "labels"; or text with a value and a
    name on each line.

    Raises:
        InputError: none of these.
    """
    if len(words) == 1 and "=" not in words[0]:
        return _names_in_file(Path(words[0]))
    names = {}
    for word in words:
        value, equals, name = word.partition("=")
        if not equals or not value.strip().isdigit() or not name.strip():
            raise InputError(f"--names {word}: write the label value, an equals sign and the name: 1=tumour.")
        names[int(value)] = name.strip()
    return names


def _names_in_file(path: Path) -> dict[int, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--names {path} cannot be read ({error}); name a file, or write 1=tumour.") from None
    try:
        table = json.loads(text)
        table = table.get("labels", table) if isinstance(table, dict) else None
        pairs = [(k, v) if str(k).isdigit() else (v, k) for k, v in table.items()]  # type: ignore[union-attr]
    except json.JSONDecodeError:
        lines = [re.split(r"[\s=,;:]+", line.strip(), maxsplit=1) for line in text.splitlines()]
        pairs = [(line[0], line[1]) for line in lines if len(line) == 2 and not line[0].startswith("#")]
    except AttributeError:
        pairs = []
    try:
        names = {int(value): str(name).strip() for value, name in pairs if int(value) > 0}
    except (TypeError, ValueError):
        names = {}
    if not names:
        raise InputError(f"{path} has no table of label values and names; write one value and name per line.")
    return names
