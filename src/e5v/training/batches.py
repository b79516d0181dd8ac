"""Which triplets a step compares: shuffled anew each time round, every batch full.

seed, step -> which round, which place in it -> Batch
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from e5v.errors import DataError, plural
from e5v.training.triplets import Triplet, Triplets


@dataclass(frozen=True)
class Batch:
    """The triplets of a step; `places` are those of their rows in the data, broken ones counted."""

    triplets: tuple[Triplet, ...]
    places: tuple[int, ...]

    @property
    def texts(self) -> list[str]:
        """Return all texts: the anchors, the positives, then the negatives that are there."""
        anchors = [one.anchor for one in self.triplets]
        positives = [one.positive for one in self.triplets]
        return anchors + positives + [text for one in self.triplets for text in one.negatives]


class Batches:
    """The batch of every step, without end; what does not fill one waits for another round.

    Raises:
        DataError: there is less data than one batch.
    """

    def __init__(self, data: Triplets, size: int, seed: int) -> None:
        if len(data.rows) < size:
            raise DataError(
                f"the data has {plural(len(data.rows), 'usable row')}, less than a batch of "
                f"{size}; give more data or a smaller batch",
                argument="batch",
            )
        self._data, self._size, self._seed = data, size, seed
        self._a_round = len(data.rows) // size
        self._order = lru_cache(maxsize=1)(self._shuffled)

    def __getitem__(self, step: int) -> Batch:
        """Return the batch of a step, from 0."""
        turn, place = divmod(step, self._a_round)
        rows = self._order(turn)[place * self._size : (place + 1) * self._size]
        return Batch(
            tuple(self._data.rows[row] for row in rows),
            tuple(self._data.places[row] for row in rows),
        )

    def _shuffled(self, turn: int) -> Sequence[int]:
        generator = torch.Generator().manual_seed(self._seed + turn)
        order: list[int] = torch.randperm(len(self._data.rows), generator=generator).tolist()
        return order
