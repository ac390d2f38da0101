"""Segment one case in a worker: the model is loaded once for each process."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache

from monai_unet.batch.jobs import Job
from monai_unet.batch.runner import worker_device
from monai_unet.batch.segment_cases import JobOutcome, segment_jobs
from monai_unet.errors import InputError, system_sentence
from monai_unet.inferers import Precision, Runtime
from monai_unet.segmentation import Segmenter


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and how it is computed: the arguments of `Segmenter.load`, which see."""

    bundle: str
    checkpoint: tuple[str, ...] = ()
    device: str | None = None
    runtime: Runtime = "auto"
    precision: Precision = "fp32"
    compiled: bool = False
    memory_limit: float | None = None
    uncertainty: bool = False

    def load(self, *, trust: bool = False) -> Segmenter:
        """The model.

        Raises:
            InputError: unknown, not trusted, or cannot be built here.
        """
        return Segmenter.load(
            self.bundle,
            device=self.device,
            checkpoint=self.checkpoint or None,
            trust=trust,
            runtime=self.runtime,
            precision=self.precision,
            compiled=self.compiled,
            memory_limit=self.memory_limit,
            uncertainty=self.uncertainty,
        )


@dataclass(frozen=True)
class SegmentJob:
    """`Work` that segments a job in whatever process calls it.

    Attributes:
        resume, overwrite: see `segment_jobs`.
    """

    model: ModelChoice
    resume: bool = False
    overwrite: bool = False

    def __call__(self, job: Job, /) -> JobOutcome:
        """Segment, write; whatever goes wrong becomes the outcome's `error`."""
        try:
            segmenter = _loaded(replace(self.model, device=worker_device() or self.model.device))
        except InputError as error:
            return JobOutcome(job, error=str(error))
        except (OSError, MemoryError) as error:
            return JobOutcome(job, error=system_sentence(error))
        steps = segment_jobs(segmenter, [job], resume=self.resume, overwrite=self.overwrite, sweep=False)
        with closing(steps):
            return next(steps)

    def given_up(self, job: Job, reason: str, /) -> JobOutcome:
        """The outcome of a case that killed its worker every time."""
        return JobOutcome(job, error=f"{job.files[0]}: {reason}")


@lru_cache(maxsize=1)
def _loaded(model: ModelChoice) -> Segmenter:
    return model.load()
