"""Which triplets form the batch of a step: reshuffled every epoch, every batch full.

seed, step -> epoch, position in the epoch -> Batch
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from e5v.errors import DataError, plural
from e5v.inputs import RawItem
from e5v.training.triplets import Triplet, Triplets


@dataclass(frozen=True)
class Batch:
    """The triplets of a step; `places` are their row indices in the data, broken rows included."""

    triplets: tuple[Triplet, ...]
    places: tuple[int, ...]

    @property
    def items(self) -> list[RawItem]:
        """All items: the anchors, the positives, then the hard negatives."""
        anchors = [one.anchor for one in self.triplets]
        positives = [one.positive for one in self.triplets]
        return anchors + positives + [item for one in self.triplets for item in one.negatives]


class Batches:
    """The batch of every step, endless; rows that do not fill a batch are left out of the epoch.

    Raises:
        DataError: there are fewer rows than one batch.
    """

    def __init__(self, data: Triplets, size: int, seed: int) -> None:
        if len(data.rows) < size:
            raise DataError(
                f"the data has {plural(len(data.rows), 'usable row')}, fewer than a batch of "
                f"{size}; give more data or a smaller batch",
                argument="batch",
            )
        self._data, self._size, self._seed = data, size, seed
        self._steps_per_epoch = len(data.rows) // size
        self._order = lru_cache(maxsize=1)(self._shuffle)

    def __getitem__(self, step: int) -> Batch:
        """Return the batch of a step, from 0."""
        epoch, place = divmod(step, self._steps_per_epoch)
        rows = self._order(epoch)[place * self._size : (place + 1) * self._size]
        return Batch(
            tuple(self._data.rows[row] for row in rows),
            tuple(self._data.places[row] for row in rows),
        )

    def _shuffle(self, epoch: int) -> Sequence[int]:
        generator = torch.Generator().manual_seed(self._seed + epoch)
        order: list[int] = torch.randperm(len(self._data.rows), generator=generator).tolist()
        return order
