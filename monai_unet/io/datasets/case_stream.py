"""Cases one by one, where a bad one does not stop the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from torch.utils.data import IterableDataset

from monai_unet.errors import InputError, input_error_behind
from monai_unet.mappings import CaseData, CaseDict

logger = logging.getLogger(__name__)


class CaseStream(IterableDataset):
    """Dataset that loads case after case, names a case that cannot be used, and goes on.

    Args:
        data: one dictionary per case.
        transform: what is applied to each; an `InputError` in it (or behind what it raises) passes the case over.
    """

    def __init__(self, data: Sequence[CaseData], transform: Callable[[CaseData], CaseDict]) -> None:
        self.data, self.transform = data, transform
        self.failures: list[str] = []

    def __iter__(self) -> Iterator[CaseDict]:
        self.failures = []
        for case in self.data:
            try:
                item = self.transform(dict(case))
            except Exception as error:
                refused = input_error_behind(error)
                if refused is None:
                    raise
                logger.error("%s", refused)
                self.failures.append(str(refused))
            else:
                yield item

    def finish(self) -> None:
        """At the end of a run: exit code 2 when some cases failed.

        Raises:
            InputError: no case could be used.
        """
        if self.failures and len(self.failures) == len(self.data):
            raise InputError(f"none of the {len(self.data)} cases could be used; the reasons stand above.")
        if self.failures:
            logger.error("%d of %d cases failed.", len(self.failures), len(self.data))
            raise SystemExit(2)
