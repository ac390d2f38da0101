"""Which structures of RTSTRUCT and SEG files are which class: a small table, as names differ between hospitals."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from monai_unet.errors import InputError

StructureTable = dict[str, str]
"""Structure's name (lower case) → class; classes in order of first mention."""


def structure_table(given: str | Path | Mapping[str, object]) -> StructureTable:
    """The table that a file or a mapping holds.

    A mapping, or YAML: class → its names, `{"parotid left": ["Parotid_L", "lt parotid"]}`, or one name. CSV: two
    columns, structure and class. Upper and lower case are alike.

    Raises:
        InputError: not readable as such a table, or one structure in two classes.

    >>> structure_table({"tumour": ["GTV", "gtv_1"], "cord": "SpinalCord"})
    {'gtv': 'tumour', 'gtv_1': 'tumour', 'spinalcord': 'cord'}
    """
    pairs = _pairs(given) if isinstance(given, Mapping) else _of_file(Path(given))
    table: StructureTable = {}
    for structure, name in pairs:
        key = structure.strip().casefold()
        if table.get(key, name) != name:
            raise InputError(f"the structure {structure} is named for two classes, {table[key]} and {name}; keep one.")
        table[key] = name
    if not table:
        raise InputError(f"{given} names no structure; give each class the names of its structures.")
    return table


def _pairs(content: Mapping[str, object]) -> list[tuple[str, str]]:
    found = []
    for name, structures in content.items():
        several = structures if isinstance(structures, Sequence) and not isinstance(structures, str) else [structures]
        found += [(str(structure), str(name)) for structure in several]
    return found


def _of_file(path: Path) -> list[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() in (".yaml", ".yml", ".json"):
            content = yaml.safe_load(text)
            if isinstance(content, Mapping):
                return _pairs(content)
            raise InputError(f"{path} must give each class its structures, such as 'tumour: [GTV, gtv_1]'.")
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if row]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as a table of structures ({str(error).splitlines()[0]}).") from None
    rows = rows[1:] if rows and rows[0][0].lower() == "structure" else rows
    odd = next((row for row in rows if len(row) < 2 or not row[0] or not row[1]), None)
    if odd is not None:
        raise InputError(f"{path}: each line needs a structure and its class, got {','.join(odd)!r}.")
    return [(row[0], row[1]) for row in rows]
