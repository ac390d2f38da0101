"""Training data whose random numbers depend on seed, epoch and case alone.

MONAI seeds its transforms once and lets them run on, so that an augmented sample depends on everything drawn before
it and on the number of loader workers. Here each sample is seeded on its own: the same run comes out with 0 or 8
workers, and a run resumed in the middle of an epoch goes on exactly as the unbroken one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from monai.data import list_data_collate
from monai.transforms import Compose
from torch.utils.data import DataLoader, Dataset, Sampler

from monai_unet.mappings import CaseData, CaseDict

Key = tuple[int, int]
"""(epoch, index of the case)"""


def derived_seed(*parts: int) -> int:
    """One 32-bit seed from several integers (NumPy's SeedSequence, so that neighbours are independent)."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


class SeededDataset(Dataset):
    """Cases of `data` with `augmentation` applied, seeded by (seed, epoch, index).

    Args:
        data: preprocessed cases, for example a `monai.data.CacheDataset`.
        augmentation: a MONAI `Compose` of random transforms.
        seed: the run's seed.
    """

    def __init__(self, data: Sequence[CaseData], augmentation: Compose, *, seed: int = 0) -> None:
        self.data, self.augmentation, self.seed = data, augmentation, seed

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: Key) -> CaseDict:
        epoch, index = key
        self.augmentation.set_random_state(seed=derived_seed(self.seed, epoch, index))
        return self.augmentation(self.data[index])


class EpochSampler(Sampler[Key]):
    """Shuffled (epoch, index) keys; knows its epoch, its share of a distributed run and where to resume.

    Every rank draws the same permutation and takes every `num_replicas`-th key; the tail that does not fill all ranks
    is dropped. `epoch` is set by `TrainingCheckpoint` at the start of each epoch.
    """

    def __init__(self, length: int, *, seed: int = 0, num_replicas: int = 1, rank: int = 0) -> None:
        self.length, self.seed, self.num_replicas, self.rank = length, seed, num_replicas, rank
        self.epoch, self.skip = 1, 0

    def __len__(self) -> int:
        return self.length // self.num_replicas

    def __iter__(self) -> Iterator[Key]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch))
        order = torch.randperm(self.length, generator=generator).tolist()[: len(self) * self.num_replicas]
        mine, self.skip, skip = order[self.rank :: self.num_replicas], 0, self.skip
        for index in mine[skip:]:
            yield self.epoch, index


def training_loader(
    dataset: SeededDataset, *, batch_size: int, num_workers: int = 0, num_replicas: int = 1, rank: int = 0
) -> DataLoader:
    """DataLoader of full batches over an `EpochSampler`; its length is what an epoch takes.

    Raises:
        ValueError: fewer cases than one batch.
    """
    sampler = EpochSampler(len(dataset), seed=dataset.seed, num_replicas=num_replicas, rank=rank)
    if len(sampler) < batch_size:
        raise ValueError(
            f"{len(dataset)} training cases on {num_replicas} processes do not fill one batch of {batch_size}; "
            "use a smaller --batch_size."
        )
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        drop_last=True,
        collate_fn=list_data_collate,
        pin_memory=torch.cuda.is_available(),
        # its own generator: otherwise each epoch's loader draws from the global one, and a resumed run would not
        generator=torch.Generator().manual_seed(dataset.seed),
    )
