"""Cases that an epoch visits more than once: a whole head has more slices to draw from than a stack of four."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils.data import Dataset


class RepeatedCases(Dataset):
    """Each case as often as its entry `times` says (1 where it says nothing); the case itself is kept once.

    Args:
        data: cases, for example a `monai.data.CacheDataset`.
        entries: what `dataset.json` says of each, in the same order.
        fewest: the whole list is repeated until an epoch has at least this many visits, for example one batch.
    """

    def __init__(self, data: Sequence[Any], entries: Sequence[Mapping[str, Any]], *, fewest: int = 1) -> None:
        if len(data) != len(entries):
            raise ValueError(f"there are {len(data)} cases and {len(entries)} entries")
        self.data = data
        order = [i for i, entry in enumerate(entries) for _ in range(int(entry.get("times", 1)))]
        self.order = order * max(1, math.ceil(fewest / max(1, len(order))))

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> Any:
        return self.data[self.order[index]]
