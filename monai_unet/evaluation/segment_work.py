"""Segment, then score: the work of a worker when the predictions do not exist yet."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from monai_unet.batch import worker_device
from monai_unet.errors import InputError, system_sentence
from monai_unet.evaluation.case_work import CaseResult, CaseWork, ScoreFiles, ScoreSettings
from monai_unet.evaluation.pairs import Pair
from monai_unet.io import notes_of, read_volume, write_label_map

_MODEL = threading.Lock()


@dataclass(frozen=True)
class SegmentAndScore(CaseWork):
    """`CaseWork` that writes the prediction of a bundle to `pair.prediction` and scores that file.

    The file is scored, not the array in memory, so that the numbers are those of what lies on the disk.
    """

    settings: ScoreSettings
    bundle: str
    device: str | None = None
    checkpoint: str | None = None

    def __call__(self, pair: Pair, /) -> CaseResult:
        """Segment, write, read, score; whatever goes wrong becomes the case's `failure`."""
        try:
            # a cluster may run several threads per worker; the model is one and the device too
            with _MODEL:
                notes = self._segment(pair)
        except InputError as error:
            return CaseResult(pair, failure=str(error))
        except (OSError, MemoryError) as error:
            return CaseResult(pair, failure=system_sentence(error))
        except Exception as error:
            return CaseResult(pair, failure=f"segmentation failed, {type(error).__name__}: {error}")
        result = ScoreFiles(self.settings)(pair)
        # those of the image were said by the model, which reads all channels
        own = tuple(note for note in result.notes if not (note.startswith("image: ") and note in notes))
        return replace(result, notes=(*notes, *own))

    def _segment(self, pair: Pair) -> tuple[str, ...]:
        """Write the prediction; gives what was unusual about its images."""
        images: Any = pair.images[0] if len(pair.images) == 1 else list(pair.images)
        if pair.series:
            images = read_volume(pair.images[0], series=pair.series)
        segmentation = load_model(self.bundle, worker_device() or self.device, self.checkpoint).segment(images)
        write_label_map(segmentation.labels.cpu().numpy(), pair.prediction, like=segmentation.labels.meta)
        return tuple(f"image: {note}" for note in notes_of(segmentation.provenance))


@lru_cache(maxsize=1)
def load_model(bundle: str, device: str | None = None, checkpoint: str | None = None) -> Any:
    """The bundle's `Segmenter`, loaded once per process."""
    from monai_unet.segmentation import Segmenter

    return Segmenter.load(bundle, device=device, checkpoint=checkpoint)
