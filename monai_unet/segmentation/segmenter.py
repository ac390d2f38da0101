"""Run a bundle on a case: files or a volume in, a label map on the same grid out, watchable and stoppable per tile."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import monai
import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray
from torch import Tensor

from monai_unet.bundle_format import (
    BundleParts,
    build_parts,
    find_bundle,
    named_files,
    ordered_files,
    require_trust,
)
from monai_unet.errors import InputError, input_error_behind
from monai_unet.generators import drain
from monai_unet.inferers import Precision, Runtime, in_pieces, is_out_of_memory, require_numbers
from monai_unet.io import LabelEntry, notes_of
from monai_unet.mappings import CaseDict, Json
from monai_unet.segmentation.engine import Engine, Used, activation_of, choose_device
from monai_unet.segmentation.fused_postprocessing import plan_fused
from monai_unet.segmentation.source_grid import Source, given_volume, label_map, read_source
from monai_unet.segmentation.uncertainty import entropy, on_source
from monai_unet.version import __version__

Images: TypeAlias = str | Path | Sequence[str | Path | None] | Mapping[str, str | Path | None] | MetaTensor
"""A file, files in the order of the channels (None: missing), files by channel name, or a volume (C, S, A, R)."""


@dataclass(frozen=True)
class Progress:
    """How far a segmentation is: `stage` is "read", "preprocess", "infer" or "postprocess"."""

    stage: str
    done: int
    total: int | None


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A finished label map.

    Attributes:
        labels: (1, S, A, R), the smallest unsigned type; its `meta` is that of the input, so that
            `write_label_map(labels, path, like=labels.meta)` puts it on the grid of the input.
        label_names: value → name.
        colors: value → RGB, 0 to 255.
        provenance: what made it from what: plain values, ready for JSON.
        uncertainty: (1, S, A, R), 0 (sure) to 1, where it was asked for.
    """

    labels: MetaTensor
    label_names: dict[int, str]
    colors: dict[int, tuple[int, int, int]]
    provenance: Json
    uncertainty: MetaTensor | None = None

    @property
    def table(self) -> dict[int, LabelEntry]:
        """Names and colours as `write_label_map` takes them."""
        return {value: LabelEntry(name, self.colors.get(value)) for value, name in self.label_names.items()}


@dataclass
class PreparedCase:
    """A case that was read and preprocessed, ready for the network.

    Attributes:
        data: the bundle's own dictionary; the image is a MetaTensor (C, *spatial) on the network's grid.
        source: the grid and file that the result must lie on.
        notes: sentences that belong into the provenance.
        seconds: wall time per stage so far.
    """

    data: CaseDict
    source: Source
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class Segmenter:
    """A bundle, loaded once, that segments any number of cases.

    >>> segmenter = Segmenter.load("hippocampus_mri", device="cpu")
    >>> volume = MetaTensor(torch.rand(1, 32, 48, 32), affine=torch.eye(4)[[2, 1, 0, 3]])
    >>> segmenter.segment(volume).labels.shape
    torch.Size([1, 32, 48, 32])
    """

    def __init__(self, parts: BundleParts, engine: Engine | None = None, *, uncertainty: bool = False) -> None:
        self.parts, self.engine, self.uncertainty = parts, engine or Engine(parts), uncertainty

    @classmethod
    def load(
        cls,
        bundle: str | Path,
        *,
        device: str | torch.device | None = None,
        checkpoint: str | Path | Sequence[str | Path] | None = None,
        trust: bool = False,
        runtime: Runtime = "auto",
        precision: Precision = "fp32",
        compiled: bool = False,
        memory_limit: float | None = None,
        uncertainty: bool = False,
    ) -> Segmenter:
        """The bundle of that name or in that folder, built and with its weights.

        Args:
            device: "cpu", "cuda" or "cuda:1"; by default CUDA where there is one.
            checkpoint: weights (a state dict or safetensors file) instead of the bundle's own; several files are an
                ensemble, whose probabilities are averaged.
            trust: the user's consent to run a bundle that is not built in; remembered for its present files.
            runtime, precision, compiled, memory_limit: see `monai_unet.segmentation.engine.Engine`.
            uncertainty: also compute the voxel-wise entropy.

        Raises:
            InputError: unknown, not trusted, or cannot be built.
        """
        found = find_bundle(bundle)
        require_trust(found, consent=trust)
        if found.kind == "editor":
            raise InputError(f"the bundle '{found.name}' answers prompts and does not segment by itself; use interact.")
        single = checkpoint is None or isinstance(checkpoint, (str, Path))
        files = [checkpoint] if single else list(checkpoint)  # type: ignore[arg-type]
        parts = build_parts(found, device=choose_device(device), checkpoint=files[0])  # type: ignore[arg-type]
        members = [Path(str(file)) for file in files[1:]]
        engine = Engine(
            parts,
            members=members,
            runtime=runtime,
            precision=precision,
            compiled=compiled,
            memory_limit=memory_limit,
        )
        if members:
            hashes = parts.weights_sha256 + "".join(engine.members_sha256)
            parts.weights_sha256 = hashlib.sha256(hashes.encode()).hexdigest()
        return cls(parts, engine, uncertainty=uncertainty)

    def segment(self, images: Images, *, progress: Callable[[Progress], None] | None = None) -> Segmentation:
        """Segment one case, see `steps`."""
        return drain(self.steps(images), progress)

    def steps(self, images: Images) -> Generator[Progress, None, Segmentation]:
        """Segment one case step by step; returns the `Segmentation`. Closing the generator stops between two tiles.

        Args:
            images: a file or DICOM folder, one per channel in the bundle's order or by channel name (a channel that
                the metadata calls optional may be missing), or a MetaTensor (C, S, A, R) from `read_volume`.

        Raises:
            InputError: the images cannot be used by this bundle.
        """
        case = self.read(images)
        yield Progress("read", 1, 1)
        case = self.preprocess(case)
        yield Progress("preprocess", 1, 1)
        return (yield from self.infer(case))

    def read(self, images: Images) -> PreparedCase:
        """Read a case as the bundle's own loader does.

        Raises:
            InputError: missing, damaged, not a volume, the wrong number of channels, or nothing but NaN.
        """
        start = time.perf_counter()
        given = self._as_given(images)
        if isinstance(given, MetaTensor):
            image, source = given_volume(given, self.parts)
        else:
            image, source = read_source(given, self.parts)
        image, notes = _finite(image, source.name)
        case = PreparedCase({self.parts.image_key: image}, source, [*source.notes, *notes, *self.parts.warnings(image)])
        case.seconds["read"] = time.perf_counter() - start
        return case

    def preprocess(self, case: PreparedCase) -> PreparedCase:
        """Apply the bundle's preprocessing after its loader."""
        start = time.perf_counter()
        try:
            data = self.parts.preprocess(case.data)
        except Exception as error:
            refused = input_error_behind(error)
            if refused is not None:
                raise InputError(f"{case.source.name}: {refused}") from error
            raise InputError(
                f"{case.source.name} does not suit the preprocessing of '{self.parts.bundle.name}' "
                f"({_last_line(error)}); check that it is the kind of image this model was made for."
            ) from error
        seconds = case.seconds | {"preprocess": time.perf_counter() - start}
        image = data[self.parts.image_key]
        said = notes_of(image.meta) if isinstance(image, MetaTensor) else ()
        notes = [*case.notes, *(note for note in said if note not in case.notes)]
        return PreparedCase(data, case.source, notes, seconds)

    def infer(self, case: PreparedCase) -> Generator[Progress, None, Segmentation]:
        """Network and postprocessing of a preprocessed case; yields per tile and returns the `Segmentation`.

        Raises:
            InputError: the network gave something that is not a number.
        """
        image: MetaTensor = case.data[self.parts.image_key]
        fused = plan_fused(self.parts, image) if self.engine.streaming is not None else None
        sink = fused.sink() if fused is not None else None
        slabs: list[Tensor] = []
        uncertainties: list[Tensor] = []
        used = Used()
        start = time.perf_counter()
        with contextlib.closing(self.engine.run(image, used)) as tiles, _enough_memory(case.source.name):
            for step in tiles:
                if step.slab is not None and fused is not None and sink is not None:
                    for piece in in_pieces(step.slab.scores):
                        sink.add(fused.scores(piece.float()))
                elif step.slab is not None:
                    slabs.append(step.slab.owned.float())
                if step.slab is not None and self.uncertainty:
                    kind = activation_of(self.parts)
                    uncertainties += [entropy(piece.float(), kind) for piece in in_pieces(step.slab.scores)]
                yield Progress("infer", step.done, step.total or None)
        seconds = case.seconds | {"infer": time.perf_counter() - start}
        start = time.perf_counter()
        if fused is not None and sink is not None:
            processed = fused.finish(sink, case.data)
        else:
            processed = self._postprocessed(case, torch.cat(slabs, dim=1))
        labels, notes = label_map(processed, case.source)
        uncertainty = on_source(torch.cat(uncertainties), image, case.source) if self.uncertainty else None
        seconds["postprocess"] = time.perf_counter() - start
        yield Progress("postprocess", 1, 1)
        return self._finished(labels, uncertainty, case, [*case.notes, *notes, used.memory_fallback], used, seconds)

    def _postprocessed(self, case: PreparedCase, logits: Tensor) -> Tensor:
        """The bundle's own postprocessing, as MONAI's evaluator calls it."""
        require_numbers(logits)
        image = case.data[self.parts.image_key]
        pred = MetaTensor(logits, meta=image.meta, applied_operations=image.applied_operations)
        return self.parts.postprocess({**case.data, "pred": pred})["pred"]

    def _as_given(self, images: Images) -> list[Path | None] | MetaTensor:
        """Files in the order of the channels, or the volume."""
        name, channels = self.parts.bundle.name, self.parts.channels
        if isinstance(images, MetaTensor):
            if channels and len(images) != len(channels):
                names = ", ".join(channel.name for channel in channels)
                raise InputError(
                    f"'{name}' needs {len(channels)} image{'s' if len(channels) > 1 else ''}, in this order: {names}; "
                    f"{len(images)} {'was' if len(images) == 1 else 'were'} given."
                )
            return images
        if isinstance(images, Mapping):
            return named_files(images, channels, bundle=name)
        listed = [images] if isinstance(images, (str, Path)) else list(images)
        if len(listed) == len(channels) and any(path is None for path in listed):
            by_name = zip((channel.name for channel in channels), listed, strict=True)
            return named_files(dict(by_name), channels, bundle=name)
        return ordered_files([Path(path) for path in listed if path is not None], channels, bundle=name)

    def _finished(
        self,
        labels: MetaTensor,
        uncertainty: MetaTensor | None,
        case: PreparedCase,
        notes: list[str],
        used: Used,
        seconds: dict[str, float],
    ) -> Segmentation:
        parts, description = self.parts, self.parts.bundle.description
        voxels = _label_voxels(labels)
        found = [value for value in voxels if value]
        table = [*description.labels, *(description.label(v) for v in found if v not in description.label_names)]
        names = {label.value: label.name for label in table}
        provenance = {
            "bundle": parts.bundle.name,
            "version": description.version,
            "weights_sha256": parts.weights_sha256,
            "device": str(parts.device),
            "inferer": used.inferer,
            "runtime": used.runtime,
            "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
            "source": case.source.name,
            "labels": {str(value): name for value, name in sorted(names.items())},
            "volumes_ml": {str(value): _ml(voxels.get(value, 0), labels) for value in sorted(names)},
            "notes": [note for note in notes if note],
            "versions": {"monai-unet": __version__, "monai": monai.__version__, "torch": torch.__version__},
            "use": "For research use; not a medical device",
        }
        return Segmentation(labels, names, {label.value: label.color for label in table}, provenance, uncertainty)


def _label_voxels(labels: MetaTensor) -> dict[int, int]:
    """Voxels of each value that a label map (1, S, A, R) holds, the background with it."""
    array = labels.as_tensor().numpy(force=True)
    counts: NDArray[np.int64] = np.zeros(256, dtype=np.int64)
    for plane in array.reshape(-1, array.shape[-2] * array.shape[-1]):
        # plane by plane: a whole volume would be copied as 64-bit numbers
        here = np.bincount(plane, minlength=len(counts))
        counts = np.pad(counts, (0, len(here) - len(counts)))
        counts += here
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _ml(voxels: int, labels: MetaTensor) -> float:
    return round(voxels * float(abs(np.linalg.det(np.asarray(labels.affine)[:3, :3]))) / 1000, 3)


def _finite(image: MetaTensor, name: str) -> tuple[MetaTensor, list[str]]:
    """NaN and infinite voxels would spread through the network: they become the lowest finite value, and a note."""
    values = image.as_tensor()
    # a sum costs no second volume, and one number that is none makes it none
    if bool(torch.isfinite(values.sum())):
        return image, []
    finite = torch.isfinite(values)
    if bool(finite.all()):
        return image, []
    if not bool(finite.any()):
        raise InputError(f"{name} holds no finite voxel; export it again.")
    lowest, count = float(values[finite].min()), int((~finite).sum())
    values[~finite] = lowest
    return image, [f"{count} voxels of {name} were not finite numbers; they were taken as {lowest:g}."]


@contextlib.contextmanager
def _enough_memory(name: str) -> Iterator[None]:
    """Memory that does not suffice for the smallest step either becomes a sentence."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"the memory does not suffice for {name}, not even in the smallest steps; close other programs, or use "
            "--device cpu or a model with a smaller window."
        ) from error


def _last_line(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
