"""Run a bundle on a case: files or a volume in, a label map on the same grid out, watchable and stoppable per tile."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import monai
import psutil
import torch
from monai.data import MetaTensor
from torch import Tensor

from monai_unet.bundle_parts import BundleParts, build_parts
from monai_unet.catalogue import find_bundle
from monai_unet.errors import InputError
from monai_unet.frames import Source, given_volume, label_map, read_source
from monai_unet.fused import plan_fused
from monai_unet.inferers.labels import NOT_A_NUMBER
from monai_unet.inferers.memory import fitted
from monai_unet.inferers.runtime import OpenVINONetwork, Precision, TorchNetwork, openvino_installed
from monai_unet.inferers.stock import as_streaming
from monai_unet.stepwise import stepwise
from monai_unet.trust import require_trust
from monai_unet.version import __version__

logger = logging.getLogger(__name__)
OPENVINO_FROM = 128**3
"""Voxels of an image from which compiling the network for OpenVINO pays, in the runtime "auto"."""

Runtime = Literal["auto", "torch", "openvino"]
Images: TypeAlias = str | Path | Sequence[str | Path] | MetaTensor


@dataclass(frozen=True)
class Progress:
    """How far a segmentation is: `stage` is "read", "preprocess", "infer" or "postprocess"."""

    stage: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Segmentation:
    """A finished label map.

    Attributes:
        labels: (1, S, A, R), the smallest unsigned type; its `meta` is that of the input, so that
            `write_label_map(labels, path, like=labels.meta)` puts it on the grid of the input.
        label_names: value → name.
        colors: value → RGB, 0 to 255.
        provenance: what made it from what: plain values, ready for JSON.
    """

    labels: MetaTensor
    label_names: dict[int, str]
    colors: dict[int, tuple[int, int, int]]
    provenance: dict[str, Any]


@dataclass
class Case:
    """A case that was read and preprocessed, ready for the network.

    Attributes:
        data: the bundle's own dictionary; the image is a MetaTensor (C, *spatial) on the network's grid.
        source: the grid and file that the result must lie on.
        notes: sentences that belong into the provenance.
        seconds: wall time per stage so far.
    """

    data: dict[Any, Any]
    source: Source
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class Segmenter:
    """A bundle, loaded once, that segments any number of cases.

    >>> segmenter = Segmenter.load("hippocampus_mri")  # doctest: +SKIP
    >>> result = segmenter.segment("brain.nii.gz")  # doctest: +SKIP
    """

    def __init__(
        self,
        parts: BundleParts,
        *,
        runtime: Runtime = "auto",
        precision: Precision = "fp32",
        memory_limit: float | None = None,
    ) -> None:
        if runtime not in ("auto", "torch", "openvino"):
            raise InputError(f"there is no runtime '{runtime}'; use auto, torch or openvino.")
        if runtime == "openvino" and not openvino_installed():
            raise InputError("OpenVINO is not installed; install monai-unet[openvino], or use the runtime torch.")
        if runtime == "openvino" and parts.device.type != "cpu":
            raise InputError("OpenVINO computes on the CPU here; use --device cpu, or the runtime torch.")
        self.parts, self.runtime, self.memory_limit = parts, runtime, memory_limit
        self.streaming = as_streaming(parts.inferer)
        self.torch_network = TorchNetwork(parts.network, precision=precision)
        self._openvino: TorchNetwork | OpenVINONetwork | None = None

    @classmethod
    def load(
        cls,
        bundle: str | Path,
        *,
        device: str | torch.device | None = None,
        checkpoint: str | Path | None = None,
        trust: bool = False,
        runtime: Runtime = "auto",
        precision: Precision = "fp32",
        memory_limit: float | None = None,
    ) -> Segmenter:
        """The bundle of that name or in that folder, built and with its weights.

        Args:
            device: "cpu", "cuda" or "cuda:1"; by default CUDA where there is one.
            checkpoint: weights (a state dict or safetensors file) instead of the bundle's own.
            trust: the user's consent to run a bundle that is not built in; remembered for its present files.
            runtime: "torch", "openvino", or "auto": OpenVINO on the CPU where it is installed and the volume is large
                enough to repay its start.
            precision: "fp32", or "bf16" and "fp16" where the device computes them at speed.
            memory_limit: GiB that inference may take; by default four fifths of what is free.

        Raises:
            InputError: unknown, not trusted, or cannot be built.
        """
        found = find_bundle(bundle)
        require_trust(found, consent=trust)
        parts = build_parts(found, device=choose_device(device), checkpoint=checkpoint)
        return cls(parts, runtime=runtime, precision=precision, memory_limit=memory_limit)

    def segment(self, images: Images, *, progress: Callable[[Progress], None] | None = None) -> Segmentation:
        """Segment one case, see `steps`."""
        steps = self.steps(images)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            if progress is not None:
                progress(step)

    def steps(self, images: Images) -> Generator[Progress, None, Segmentation]:
        """Segment one case step by step; returns the `Segmentation`. Closing the generator stops between two tiles.

        Args:
            images: a file or DICOM folder, one per channel in the bundle's order, or a MetaTensor (C, S, A, R) from
                `read_volume`.

        Raises:
            InputError: the images cannot be used by this bundle.
        """
        case = self.read(images)
        yield Progress("read", 1, 1)
        case = self.preprocess(case)
        yield Progress("preprocess", 1, 1)
        return (yield from self.infer(case))

    def read(self, images: Images) -> Case:
        """Read a case as the bundle's own loader does.

        Raises:
            InputError: missing, damaged, not a volume, the wrong number of channels, or nothing but NaN.
        """
        start = time.perf_counter()
        given = _as_given(images)
        self._check_channels(given)
        if isinstance(given, MetaTensor):
            image, source = given_volume(given, self.parts)
        else:
            image, source = read_source(given, self.parts)
        image, notes = _finite(image, source.name)
        case = Case({self.parts.image_key: image}, source, [*source.notes, *notes])
        case.seconds["read"] = time.perf_counter() - start
        return case

    def preprocess(self, case: Case) -> Case:
        """Apply the bundle's preprocessing after its loader."""
        start = time.perf_counter()
        try:
            data = self.parts.preprocess(case.data)
        except Exception as error:
            raise InputError(
                f"{case.source.name} does not suit the preprocessing of '{self.parts.bundle.name}' "
                f"({_last_line(error)}); check that it is the kind of image this model was made for."
            ) from error
        seconds = case.seconds | {"preprocess": time.perf_counter() - start}
        return Case(data, case.source, case.notes, seconds)

    def infer(self, case: Case) -> Generator[Progress, None, Segmentation]:
        """Network and postprocessing of a preprocessed case; yields per tile and returns the `Segmentation`.

        Raises:
            InputError: the network gave something that is not a number.
        """
        image: MetaTensor = case.data[self.parts.image_key]
        fused = plan_fused(self.parts, image) if self.streaming is not None else None
        used = {"runtime": "torch", "inferer": type(self.parts.inferer).__name__, "rung": ""}
        start = time.perf_counter()
        if fused is not None:
            sink = fused.sink()
            yield from self._predict(image, lambda scores: sink.add(fused.scores(scores)), used)
        else:
            slabs: list[Tensor] = []
            yield from self._predict(image, slabs.append, used)
        seconds = case.seconds | {"infer": time.perf_counter() - start}
        start = time.perf_counter()
        if fused is not None:
            processed = fused.finish(sink, case.data)
        else:
            processed = self._postprocessed(case, torch.cat(slabs, dim=1))
        labels, notes = label_map(processed, case.source)
        seconds["postprocess"] = time.perf_counter() - start
        yield Progress("postprocess", 1, 1)
        return self._finished(labels, case, [*case.notes, *notes, used.pop("rung")], {**used, "seconds": seconds})

    def _postprocessed(self, case: Case, logits: Tensor) -> Tensor:
        """The bundle's own postprocessing, as MONAI's evaluator calls it."""
        if bool(torch.isnan(logits).any()):
            raise InputError(NOT_A_NUMBER)
        image = case.data[self.parts.image_key]
        pred = MetaTensor(logits, meta=image.meta, applied_operations=image.applied_operations)
        return self.parts.postprocess({**case.data, "pred": pred})["pred"]

    def _predict(
        self, image: MetaTensor, take: Callable[[Tensor], object], used: dict[str, str]
    ) -> Generator[Progress, None, None]:
        """Run the network and hand over the logits (C, planes, A, R) slab by slab."""
        if self.streaming is None:
            take((yield from self._predict_at_once(image)))
            return
        network = self._network(image, used)
        inferer, rung = fitted(self.streaming, self.parts.network, tuple(image.shape), self._memory())
        used.update(runtime=network.name, inferer=type(inferer).__name__, rung=rung)
        steps = inferer.stream(image.as_tensor().to(self.parts.device), network)
        while True:
            # the modes are the thread's own: they must not be left on between two steps, where the caller runs
            with torch.no_grad(), self._autocast():
                step = next(steps, None)
            if step is None:
                used["rung"] = getattr(inferer, "rung", "") or rung
                return
            if step.slab is not None:
                take(step.slab.scores.float())
            yield Progress("infer", step.done, step.total)

    def _network(self, image: MetaTensor, used: dict[str, str]) -> TorchNetwork | OpenVINONetwork:
        """What computes this image: OpenVINO where asked for, or where it pays and agrees with PyTorch."""
        automatic = (
            self.parts.device.type == "cpu"
            and self.torch_network.precision == "fp32"
            and image[0].numel() >= OPENVINO_FROM
            and openvino_installed()
        )
        if self.runtime == "torch" or (self.runtime == "auto" and not automatic):
            return self.torch_network
        if self._openvino is None:
            network = OpenVINONetwork(self.parts.network, channels=image.shape[0], cache=user_cache())
            try:
                difference = network.check()
            except Exception as error:
                if self.runtime == "openvino":
                    raise InputError(
                        f"OpenVINO cannot run this network ({_last_line(error)}); use the runtime torch."
                    ) from error
                logger.info("OpenVINO cannot run this network: %s", error)
                difference = float("inf")
            self._openvino = network if difference < 1e-3 or self.runtime == "openvino" else self.torch_network
        return self._openvino

    def _memory(self) -> float:
        """Bytes that inference may take."""
        if self.memory_limit is not None:
            return self.memory_limit * 2**30
        if self.parts.device.type == "cuda":
            return 0.8 * torch.cuda.mem_get_info(self.parts.device)[0]
        return 0.8 * psutil.virtual_memory().available

    def _predict_at_once(self, image: MetaTensor) -> Generator[Progress, None, Tensor]:
        """Through an inferer that knows no steps: one per call of the network."""
        parts, count = self.parts, 0

        def compute(report: Callable[[], None]) -> Tensor:
            def network(*args: Any, **kwargs: Any) -> Any:
                result = parts.network(*args, **kwargs)
                report()
                return result

            with torch.no_grad(), self._autocast():
                return parts.inferer(image.as_tensor().to(parts.device)[None], network)[0].float()

        run = stepwise(compute)
        try:
            while True:
                try:
                    next(run)
                except StopIteration as end:
                    return end.value
                count += 1
                yield Progress("infer", count, None)
        finally:
            run.close()

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.parts.amp and self.parts.device.type == "cuda":
            return torch.autocast("cuda")
        return contextlib.nullcontext()

    def _check_channels(self, given: Sequence[Path] | MetaTensor) -> None:
        names, count = self.parts.channels, len(given)
        if names and count != len(names):
            raise InputError(
                f"'{self.parts.bundle.name}' needs {len(names)} image{'s' if len(names) > 1 else ''}, in this order: "
                f"{', '.join(names)}; {count} {'was' if count == 1 else 'were'} given."
            )

    def _finished(self, labels: MetaTensor, case: Case, notes: list[str], used: dict[str, Any]) -> Segmentation:
        names, colors = self.parts.labels()
        for value in torch.unique(labels.as_tensor()).tolist():
            if value and value not in names:
                names[value] = f"label {value}"
        parts = self.parts
        provenance = {
            "bundle": parts.bundle.name,
            "version": str(parts.bundle.metadata.get("version", "")),
            "weights_sha256": parts.weights_sha256,
            "device": str(parts.device),
            "inferer": used["inferer"],
            "runtime": used["runtime"],
            "seconds": {stage: round(value, 3) for stage, value in used["seconds"].items()},
            "source": case.source.name,
            "notes": [note for note in notes if note],
            "versions": {"monai-unet": __version__, "monai": monai.__version__, "torch": torch.__version__},
            "use": "For research use; not a medical device",
        }
        return Segmentation(labels, names, colors, provenance)


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for, or CUDA where there is one, else the CPU.

    Raises:
        InputError: CUDA was asked for and there is none.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise InputError(f"there is no device called '{device}'; use cpu or cuda.") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError("PyTorch sees no CUDA device on this computer; use --device cpu.")
    return chosen


def user_cache() -> Path:
    """Where compiled networks are kept for the next start: `~/.monai-unet/openvino`."""
    return Path.home() / ".monai-unet" / "openvino"


def _as_given(images: Images) -> list[Path] | MetaTensor:
    if isinstance(images, MetaTensor):
        return images
    return [Path(images)] if isinstance(images, (str, Path)) else [Path(image) for image in images]


def _finite(image: MetaTensor, name: str) -> tuple[MetaTensor, list[str]]:
    """NaN and infinite voxels would spread through the network: they become the lowest finite value, and a note."""
    values = image.as_tensor()
    finite = torch.isfinite(values)
    if bool(finite.all()):
        return image, []
    if not bool(finite.any()):
        raise InputError(f"{name} holds no finite voxel; export it again.")
    lowest, count = float(values[finite].min()), int((~finite).sum())
    values[~finite] = lowest
    return image, [f"{count} voxels of {name} were not finite numbers; they were taken as {lowest:g}."]


def _last_line(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
