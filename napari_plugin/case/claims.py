"""Saving from the dock replaces no image and no file of another program (no Qt).

The file that the user names may be there already: the dialog asks. What is written beside it is asked for by nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from monai_unet.io import claim_file
from monai_unet.io.dicom import is_own_result
from napari_plugin.case.opening import OpenImage, dicom_series


def claim_named(path: Path, image: OpenImage) -> None:
    """Refuse the place of the image, or of one of its slices.

    Raises:
        InputError: the sentence names both.
    """
    claim_file(path, inputs=_files(image), overwrite=True)


def claim_beside(path: Path, image: OpenImage) -> None:
    """Refuse also a file that this program did not write.

    Raises:
        InputError: the sentence names it.
    """
    claim_file(path, inputs=_files(image), overwrite=is_own_result(path) or _is_provenance(path), hint="")


def _files(image: OpenImage) -> Iterator[Path]:
    """Looked for only when they are asked for: a series takes seconds."""
    series = dicom_series(image)
    yield from [Path(image.entry.path)] if series is None else series.files


def _is_provenance(path: Path) -> bool:
    """Whether a file is the JSON that stands beside a mask."""
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(stated, dict) and {"bundle", "weights_sha256", "use"} <= set(stated)
