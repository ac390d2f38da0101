"""Damaged copies of a file: bytes, fields of headers, and what a compressed file unpacks to."""

from __future__ import annotations

import gzip
import io
import random
import re
import struct

from pydicom import dcmread
from pydicom.dataset import Dataset

_NIFTI_FIELDS = {
    **{name: ("h", 40 + 2 * n) for n, name in enumerate(("dim", "nx", "ny", "nz", "nt", "nu"))},
    **{f"pixdim{n}": ("f", 76 + 4 * n) for n in range(8)},
    **{f"srow{n}": ("f", 280 + 4 * n) for n in range(12)},
    **{f"quatern{n}": ("f", 256 + 4 * n) for n in range(6)},
    **{"datatype": ("h", 70), "bitpix": ("h", 72), "vox_offset": ("f", 108), "slope": ("f", 112), "inter": ("f", 116)},
    **{"qform_code": ("h", 252), "sform_code": ("h", 254), "units": ("b", 123), "size": ("i", 0)},
}
_WHOLE = (0, 1, -1, 2, 3, 4, 7, 8, 16, 64, 255, 256, 512, 1024, 32767, -32768)
_REAL = (0.0, 1.0, -1.0, 2.5, 1e-30, 1e30, float("nan"), float("inf"), 0.001, 352.0, 100.0)
_TEXT = ("", " ", "nan", "inf", "-1", "0", "1", "1e30", "1,5", "abc", "1\\2", "1\\2\\3\\4", "0\\0\\0", "ISO_IR 192")
_WORDS = (
    "nan",
    "inf",
    "-1",
    "0",
    "3",
    "1e300",
    "none",
    "(0,0,0)",
    "float",
    "left",
    "",
    "left-posterior-superior",
    "short",
)


def damage(raw: bytes, name: str, chance: random.Random) -> bytes:
    """A copy of a file with one kind of damage."""
    how = chance.random()
    if name.endswith(".gz") and how < 0.6:
        return gzip.compress(damage(gzip.decompress(raw), name[:-3], chance), compresslevel=1, mtime=0)
    if name.endswith(".nii") and how < 0.5:
        return _nifti_field(bytearray(raw), chance)
    if name.endswith(".dcm") and how < 0.6:
        return _element(raw, chance)
    if name.endswith((".nrrd", ".nhdr", ".mha", ".mhd", ".json", ".jsonl")) and how < 0.5:
        return _header_line(raw, chance)
    return _bytes(bytearray(raw), chance)


def _bytes(data: bytearray, chance: random.Random) -> bytes:
    near = chance.choice([min(1500, len(data)), min(400, len(data)), len(data)])
    kind = chance.choice(["flip", "flip", "flip", "overwrite", "cut", "insert", "remove", "append"])
    if kind == "cut":
        return bytes(data[: chance.randrange(near)])
    if kind == "append":
        return bytes(data) + chance.randbytes(chance.choice([1, 2, 16, 352, 4096]))
    start = chance.randrange(near)
    length = chance.choice([1, 2, 4, 8, 15])
    if kind == "insert":
        data[start:start] = chance.randbytes(length)
    elif kind == "remove":
        del data[start : start + length]
    elif kind == "overwrite":
        stretch = data[start : start + length]
        data[start : start + len(stretch)] = chance.choice([b"\xff", b"\x00", b"\x7f"]) * len(stretch)
    else:
        for _ in range(chance.choice([1, 1, 2, 5, 20])):
            data[chance.randrange(near)] ^= 1 << chance.randrange(8)
    return bytes(data)


def _nifti_field(data: bytearray, chance: random.Random) -> bytes:
    """One or two fields of a NIfTI-1 header set to awkward values (of NIfTI-2, whatever lies there)."""
    for _ in range(chance.choice([1, 1, 2])):
        kind, place = _NIFTI_FIELDS[chance.choice(sorted(_NIFTI_FIELDS))]
        value = chance.choice(_REAL) if kind == "f" else chance.choice(_WHOLE)
        if kind == "b":
            value = chance.randrange(-128, 128)
        struct.pack_into(f"<{kind}", data, place, value)
    return bytes(data)


def _header_line(raw: bytes, chance: random.Random) -> bytes:
    """A word or a line of a text header changed, doubled, exchanged or removed."""
    end = raw.find(b"\n\n") if raw.startswith(b"NRRD") else raw.find(b"ElementDataFile")
    head = raw if end < 0 else raw[:end]
    lines = head.split(b"\n")
    place = chance.randrange(len(lines))
    kind = chance.choice(["word", "word", "word", "double", "remove", "exchange"])
    if kind == "word":
        words = list(re.finditer(rb"[^\s,()=:]+", lines[place])) or list(re.finditer(rb"^", lines[place]))
        word = chance.choice(words)
        lines[place] = lines[place][: word.start()] + chance.choice(_WORDS).encode() + lines[place][word.end() :]
    elif kind == "double":
        lines.insert(place, lines[place])
    elif kind == "remove":
        del lines[place]
    else:
        other = chance.randrange(len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    return b"\n".join(lines) + raw[len(head) :]


def _element(raw: bytes, chance: random.Random) -> bytes:
    """An element of a DICOM file, at any depth, emptied, removed, exchanged or given an awkward value."""
    try:
        whole = dcmread(io.BytesIO(raw), force=True)
        datasets = [whole, *_nested(whole)]
        # most items lie deep down; the top is as interesting as all of them
        dataset = whole if chance.random() < 0.5 else chance.choice(datasets)
        keywords = [element.keyword for element in dataset if element.keyword]
        keyword = chance.choice(keywords)
        _change(dataset, keyword, keywords, chance)
        out = io.BytesIO()
        whole.save_as(out)
        return out.getvalue()
    except Exception:
        # some values cannot be written
        return _bytes(bytearray(raw), chance)


def _nested(dataset: Dataset) -> list[Dataset]:
    found = []
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                found += [item, *_nested(item)]
    return found


def _change(dataset: Dataset, keyword: str, keywords: list[str], chance: random.Random) -> None:
    element = dataset[keyword]
    kind = chance.choice(["remove", "empty", "value", "value", "exchange"])
    if kind == "remove":
        del dataset[keyword]
    elif element.VR == "SQ":
        items = list(element.value)
        if kind == "empty" or not items:
            element.value = []
        elif kind == "exchange":
            element.value = [*items, items[0]]
        else:
            element.value = items[:-1]
    elif kind == "empty":
        element.value = None if element.VR not in ("OB", "OW") else b""
    elif kind == "exchange":
        element.value = dataset[chance.choice(keywords)].value
    elif element.VR in ("US", "SS", "UL", "SL"):
        element.value = chance.choice([0, 1, 2, 3, 8, 10, 11, 12, 14, 15, 16, 32, 255, 65535])
    elif element.VR in ("OB", "OW"):
        data = bytes(element.value)
        element.value = chance.choice([data[: len(data) // 2], data + data, data + b"\0\0", data[:-2]])
    else:
        element._value = chance.choice(_TEXT)
