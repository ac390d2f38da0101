"""The process that segments: jobs come as JSON lines on standard input, what became of them goes out in the same way.

    python -m monai_unet.batch.listener.work

A job is `{"bundle", "device", "images", "series", "folder"}`, the answer `{"files", "findings", "notes"}` or
`{"error"}`. One without images only loads the model.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from monai_unet.errors import InputError, system_sentence

if TYPE_CHECKING:
    from monai_unet.mappings import Json
    from monai_unet.segmentation import Segmenter

_PR_SET_PDEATHSIG = 1
_NICENESS = 10


def main() -> None:
    """Work until standard input ends."""
    _end_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what packages print is no answer
    loaded: dict[tuple[str, str], Segmenter] = {}
    for line in sys.stdin:
        _answer(answers, _done(json.loads(line), loaded))


def _done(job: Json, loaded: dict[tuple[str, str], Segmenter]) -> Json:
    try:
        return _segmented(job, loaded)
    except InputError as error:
        return {"error": str(error)}
    except (OSError, MemoryError) as error:
        return {"error": system_sentence(error)}
    except Exception as error:
        return {"error": f"it failed unexpectedly ({type(error).__name__}: {error})"}


def _segmented(job: Json, loaded: dict[tuple[str, str], Segmenter]) -> Json:
    from monai_unet.generators import drain
    from monai_unet.io import AlgorithmIdentity, MaskFile, Segment, read_volume
    from monai_unet.io.dicom import find_usable_series
    from monai_unet.measurement import write_viewer_results
    from monai_unet.segmentation import Segmenter

    key = str(job["bundle"]), str(job["device"])
    if key not in loaded:
        loaded[key] = Segmenter.load(key[0], device=key[1] or None)
    segmenter = loaded[key]
    channels = len(segmenter.parts.channels)
    if channels > 1:
        raise InputError(f"{key[0]} takes {channels} series of an examination, and a rule names one; use 'segment'.")
    if "images" not in job:
        return {}
    images = Path(job["images"])
    series = find_usable_series(images, str(job["series"]))
    volume = read_volume(images, series=series.id)
    found = drain(segmenter.infer(segmenter.preprocess(segmenter.read(volume))))
    stated = found.provenance
    algorithm = AlgorithmIdentity(
        str(stated["bundle"]),
        str(stated.get("version") or "unknown"),
        str(stated.get("weights_sha256") or ""),
        notes=tuple(map(str, stated.get("notes") or ())),
    )
    segments = tuple(Segment(value, entry.name, color=entry.color) for value, entry in found.table.items() if value > 0)
    mask = MaskFile(found.labels, segments, algorithm)
    mask.masks.meta.setdefault("filename_or_obj", str(images))
    done = write_viewer_results(
        mask, Path(job["folder"]), images=images, series=series, target=series, algorithm=algorithm, image=volume
    )
    names = {kind: [path.name for path in paths] for kind, paths in done.files.items()}
    return {"files": names, "findings": done.findings, "notes": [*algorithm.notes, *done.notes]}


def _answer(stream: TextIO, answer: Json) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()


def _end_with_parent() -> None:
    """Receiving goes first on this computer, and a listener that was killed leaves nobody at work."""
    with suppress(OSError, AttributeError):
        os.nice(_NICENESS)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
