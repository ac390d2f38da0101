"""Tissue maps of a brain, and images of random contrast made from them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable, Transform
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_multiotsu

from monai_unet.errors import InputError
from monai_unet.geometry import grid_of
from monai_unet.mappings import CaseData, CaseDict
from monai_unet.transforms.random_fields import FloatArray, between, smooth_noise

CONTRASTS: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "flair": ((0.05, 0.4), (1.02, 1.4), (0.45, 0.75)),
    "t1": ((0.1, 0.4), (0.6, 0.9), (0.7, 1.0)),
    "t1c": ((0.1, 0.4), (0.6, 0.95), (0.7, 1.0)),
    "t2": ((1.5, 2.6), (1.15, 1.7), (0.35, 0.6)),
}
"""Sequence → ranges of CSF and grey matter, relative to white matter, and of white matter itself.

FLAIR's CSF is given as a value of its own: it is suppressed whatever white matter is.
"""


class TissueMapsd(Transform):
    """Maps (3, S, A, R) of CSF, grey and white matter, 0 to 1 with sum 1 in the brain, from a skull-stripped T1.

    Three classes by Otsu's thresholds on the T1 without its bias (a wide Gaussian), with soft borders: good enough to
    place and spread synthetic lesions, not a segmentation of tissue.

    Args:
        image_key: a MetaTensor (1, S, A, R) whose background is 0.
        tissue_key: gets the maps.
    """

    def __init__(self, image_key: Hashable, *, tissue_key: Hashable = "tissue") -> None:
        self.image_key, self.tissue_key = image_key, tissue_key

    def __call__(self, data: CaseData) -> CaseDict:
        """Add the maps.

        Raises:
            InputError: the image has no background of 0 or too little tissue.
        """
        image = data[self.image_key]
        array = np.asarray(image[0], dtype=np.float32)
        brain = array > 0
        if not 0.02 < brain.mean() < 0.9:
            raise InputError(
                f"{image.meta.get('filename_or_obj', 'the T1')} is not skull-stripped (its background is not 0); "
                "tissue maps need a brain alone."
            )
        maps = tissue_maps(array, brain, grid_of(image).spacing)
        return {**data, self.tissue_key: MetaTensor(torch.from_numpy(maps), meta=dict(image.meta))}


def tissue_maps(t1: FloatArray, brain: NDArray[np.bool_], spacing: Sequence[float]) -> FloatArray:
    """See `TissueMapsd`; arrays (S, A, R).

    Intensities in any unit, mask of the brain; `spacing` in mm.
    """
    widths = [25.0 / s for s in spacing]
    weight = gaussian_filter(brain.astype(np.float32), widths)
    bias = gaussian_filter(np.where(brain, t1, 0), widths) / np.maximum(weight, 1e-3)
    flat = np.where(brain, t1 / np.maximum(bias, 1e-6), 0)
    low, high = np.percentile(flat[brain], (1, 99))
    dark, bright = threshold_multiotsu(np.clip(flat[brain], low, high), 3)
    soft = 0.06 * float(high - low)
    not_csf, white = (1 / (1 + np.exp(-(flat - edge) / soft)) for edge in (dark, bright))
    maps = np.stack([1 - not_csf, not_csf * (1 - white), not_csf * white]).astype(np.float32)
    return maps * brain


class JoinTissued(Transform):
    """Tissue maps (3, S, A, R) from maps of grey and white matter: what they leave of the brain is CSF.

    Args:
        grey_key, white_key: MetaTensors (1, S, A, R), any scale from 0; they are removed.
        brain_key: an image of the brain whose background is 0.
        tissue_key: gets the maps.
    """

    def __init__(
        self, grey_key: Hashable, white_key: Hashable, *, brain_key: Hashable, tissue_key: Hashable = "tissue"
    ) -> None:
        self.grey_key, self.white_key = grey_key, white_key
        self.brain_key, self.tissue_key = brain_key, tissue_key

    def __call__(self, data: CaseData) -> CaseDict:
        """Join them."""
        grey, white = (np.asarray(data[key], dtype=np.float32) for key in (self.grey_key, self.white_key))
        grey, white = grey / max(float(grey.max()), 1e-6), white / max(float(white.max()), 1e-6)
        brain = np.asarray(data[self.brain_key], dtype=np.float32)[:1] > 0
        total = np.maximum(grey + white, 1)
        grey, white = grey / total * brain, white / total * brain
        maps = np.concatenate([brain - grey - white, grey, white]).astype(np.float32)
        kept = {key: value for key, value in data.items() if key not in (self.grey_key, self.white_key)}
        return {**kept, self.tissue_key: MetaTensor(torch.from_numpy(maps), meta=dict(data[self.brain_key].meta))}


class RandTissueContrastd(Randomizable, MapTransform):
    """Replace or mix an image's channels with ones of random contrast, made from tissue maps.

    Each tissue gets a random intensity that is plausible for the sequence (`CONTRASTS`), with texture and the fine
    structure of the image that was there; after SynthSeg (Billot et al. 2023, doi:10.1016/j.media.2023.102789), but
    with the order of the tissues that the sequence has.

    Args:
        keys: images (C, S, A, R) with background 0.
        sequences: of the C channels, keys of `CONTRASTS`.
        tissue_key: maps (3, S, A, R).
        prob: that a case is changed at all; a channel without signal is always made.
    """

    def __init__(
        self, keys: KeysCollection, *, sequences: Sequence[str], tissue_key: Hashable, prob: float = 0.5
    ) -> None:
        super().__init__(keys)
        self.sequences, self.tissue_key, self.prob = tuple(sequences), tissue_key, prob

    def __call__(self, data: CaseData) -> CaseDict:
        """Change one case."""
        result = dict(data)
        maps = np.asarray(result[self.tissue_key], dtype=np.float32)
        for key in self.key_iterator(result):
            image = result[key]
            array = np.asarray(image, dtype=np.float32).copy()
            mixed = self.R.uniform() < self.prob
            detail = next((channel for channel in array if channel.any()), array[0])
            for number, sequence in enumerate(self.sequences):
                missing = not array[number].any()
                if not missing and not mixed:
                    continue
                own = detail if missing else array[number]
                made = random_contrast(maps, sequence, own, grid_of(image).spacing, self.R)
                share = 1.0 if missing else between(self.R, (0.4, 1.0))
                array[number] = share * made + (1 - share) * _to_unit(array[number], maps)
            meta, operations = dict(image.meta), list(image.applied_operations)
            result[key] = MetaTensor(torch.from_numpy(array), meta=meta, applied_operations=operations)
        return result


def random_contrast(
    maps: FloatArray, sequence: str, detail: FloatArray, spacing: Sequence[float], random: RandomState
) -> FloatArray:
    """One image (S, A, R), about 0 to 1, from tissue maps; `detail` is an image whose fine structure is kept."""
    csf_range, grey_range, white_range = CONTRASTS[sequence]
    white = between(random, white_range)
    grey = white * between(random, grey_range)
    csf = between(random, csf_range) * (1.0 if sequence == "flair" else white)
    brain = maps.sum(0)
    image = csf * maps[0] + grey * maps[1] + white * maps[2]
    own = _to_unit(detail, maps)
    fine = own - sum(m * float((own * m).sum() / max(float(m.sum()), 1.0)) for m in maps)
    image = image + between(random, (-0.5, 1.0)) * fine
    image = image + between(random, (0.0, 0.035)) * smooth_noise(image.shape, spacing, 4.0, random)
    image = image + between(random, (0.0, 0.03)) * smooth_noise(image.shape, spacing, 12.0, random)
    return (np.maximum(image, 0.01) * (brain > 0.5)).astype(np.float32)


def _to_unit(image: FloatArray, maps: FloatArray) -> FloatArray:
    """Scaled so that the brain's 99th percentile is 1."""
    inside = image[maps.sum(0) > 0.5]
    return image / max(float(np.percentile(inside, 99)) if inside.size else 1.0, 1e-6)
