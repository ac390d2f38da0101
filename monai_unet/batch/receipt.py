"""What `<case>.json` says of the mask beside it: from what it was made, and its hash, by which it is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from monai_unet.batch.jobs import Job
from monai_unet.bundle_format import folder_hash
from monai_unet.errors import InputError
from monai_unet.io import InputFiles, input_at, read_volume, sha256_of
from monai_unet.segmentation import Segmenter

Key = Mapping[str, Any]
"""From what a mask is made: input, bundle with weights, options that change it."""


_BUNDLES: WeakKeyDictionary[Segmenter, str] = WeakKeyDictionary()
"""Hash of each loaded model's files; a worker asks again for every case."""


def key_of(segmenter: Segmenter) -> dict[str, Any]:
    """The part of the key that all cases of a run share."""
    parts, engine = segmenter.parts, segmenter.engine
    if segmenter not in _BUNDLES:
        content = f"{folder_hash(parts.bundle.root)}{parts.weights_sha256}"
        _BUNDLES[segmenter] = hashlib.sha256(content.encode()).hexdigest()
    return {"bundle_sha256": _BUNDLES[segmenter], "options": {"precision": engine.precision, "runtime": engine.runtime}}


def input_sha256(images: Sequence[Path | None], *, without: Sequence[Path] = ()) -> str:
    """SHA-256 over the contents of a case's files, in order; of a folder, of all files in it.

    Args:
        without: files that do not count: those the case itself writes.
    """
    digest = hashlib.sha256()
    skipped = {path.resolve() for path in without}
    for image in images:
        if image is None:
            digest.update(b"none")
            continue
        files = [image] if image.is_file() else sorted(path for path in image.rglob("*") if path.is_file())
        for file in files:
            if file != image and (file.name.startswith(".partial-") or file.resolve() in skipped):
                continue
            digest.update(bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()


def stated_of(name: str, path: Path) -> dict[str, Any]:
    """Hash and size of a file that is written, as the receipt of `name` ("mask", "uncertainty") states them."""
    return {f"{name}_sha256": sha256_of(path), f"{name}_bytes": path.stat().st_size}


def read_receipt(job: Job) -> dict[str, Any] | None:
    """What stands in `<case>.json`, None where there is none or it is not one of `segment`."""
    try:
        stated = json.loads(job.provenance.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(stated, dict) or not {"input_sha256", "bundle_sha256", "mask_sha256"} <= set(stated):
        return None
    return stated


def is_finished(job: Job, key: Key, *, uncertainty: bool) -> bool:
    """Whether all that is wanted stands there, whole, made from the same input by the same model and options."""
    stated = read_receipt(job)
    if stated is None or any(stated.get(name) != value for name, value in key.items()):
        return False
    return _is_whole("mask", job.target, stated) and (
        not uncertainty or _is_whole("uncertainty", job.uncertainty, stated)
    )


def refuse_loss(job: Job, key: Key, *, uncertainty: bool, resume: bool, inputs: InputFiles) -> None:
    """Refuse a case whose files would replace something else than an earlier result of the same.

    What may be replaced: the same mask again; a mask cut short or damaged; with `resume` a mask of the same case by
    another model or other options. Not a file that `segment` did not write, one that was changed since (a correction),
    or the mask of another case.

    Raises:
        InputError: the sentence names the file and the way out.
    """
    refuse_inputs(job, inputs, uncertainty=uncertainty)
    stated = read_receipt(job)
    wanted = [job.target, job.provenance, *([job.uncertainty] if uncertainty else [])]
    present = [path for path in wanted if path.exists()]
    if not present:
        return
    if stated is None:
        raise InputError(_sentence(job, present[0], "was not written by this command"))
    for name, path in (("mask", job.target), ("uncertainty", job.uncertainty)):
        if path in present and not _is_whole(name, path, stated) and (f"{name}_sha256" not in stated or _reads(path)):
            raise InputError(_sentence(job, path, "was changed since it was written, or comes from elsewhere"))
    if job.target not in present or all(stated.get(name) == value for name, value in key.items()):
        return
    if stated["input_sha256"] != key["input_sha256"] and not _same_source(job, stated):
        raise InputError(_sentence(job, job.target, f"is the mask of another image ({stated.get('source')})"))
    if not resume:
        other = "another state of this image" if stated["input_sha256"] != key["input_sha256"] else "other options"
        if stated["bundle_sha256"] != key["bundle_sha256"]:
            other = f"another model or other weights ({stated.get('bundle')})"
        raise InputError(_sentence(job, job.target, f"was made with {other}", "go on with --resume"))


def refuse_inputs(job: Job, inputs: InputFiles, *, uncertainty: bool) -> None:
    """Refuse a case whose files would replace an input.

    Raises:
        InputError: the sentence names both.
    """
    for path in (job.target, job.provenance, *([job.uncertainty] if uncertainty else [])):
        taken = input_at(path, inputs)
        if taken is not None:
            raise InputError(f"{path}, a result of {job.files[0]}, would replace {taken}; name another -o.")


def refuse_shared(jobs: Sequence[Job]) -> None:
    """Refuse cases of which one is called as the uncertainty of another.

    Raises:
        InputError: the sentence names both.
    """
    masks = {job.target: job for job in jobs}
    for job in jobs:
        other = masks.get(job.uncertainty)
        if other is not None:
            raise InputError(
                f"the mask of {other.files[0]} and the uncertainty of {job.files[0]} would both be written to "
                f"{other.target}; rename one of them."
            )


def left_over(job: Job) -> Path | None:
    """An uncertainty map that an earlier run wrote, and that nobody changed since."""
    stated = read_receipt(job)
    return job.uncertainty if stated is not None and _is_whole("uncertainty", job.uncertainty, stated) else None


def _is_whole(name: str, path: Path, stated: Mapping[str, Any]) -> bool:
    try:
        if path.stat().st_size != stated.get(f"{name}_bytes"):
            return False
        return stated_of(name, path)[f"{name}_sha256"] == stated.get(f"{name}_sha256")
    except OSError:
        return False


def _same_source(job: Job, stated: Mapping[str, Any]) -> bool:
    return str(stated.get("source")) == str(job.files[0])


def _reads(path: Path) -> bool:
    try:
        read_volume(path)
    except Exception:
        return False
    return True


def _sentence(job: Job, path: Path, what: str, way: str = "") -> str:
    way = f", {way}" if way else ""
    return f"{job.files[0]}: {path} {what}, and would be lost; name another folder with -o{way}, or say --overwrite."
