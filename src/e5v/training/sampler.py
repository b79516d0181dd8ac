"""Which triplets form the batch of a step; every batch is full.

    seed, step -> epoch, position in the epoch -> Batch
    weights    -> rows of each source in this batch, and in all before it -> the same, by source

Without weights, the rows of all sources are shuffled together, and reshuffled every epoch. With
weights, or with one source per batch, every source is shuffled by itself and has its own epochs:
each row once, then reshuffled. So it is where a source is read from disk by groups of rows: its
groups are shuffled, and then the rows of some groups together.

How many rows a batch takes from a source depends on the seed and the step alone, so that a run can
be resumed at any step; after any number of steps the share of a source is its weight, to about one
row (or one batch). A batch that takes the end of one epoch of a source and the start of the next
may hold a row twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from e5v.errors import DataError, plural
from e5v.inputs import RawItem, Side
from e5v.training.recipe import Batching
from e5v.training.triplets import Triplet, Triplets

Value = TypeVar("Value")

GOLDEN = (5**0.5 - 1) / 2  # its multiples, modulo 1, spread evenly over 0 to 1
APART = 0x9E3779B1  # between the seeds of two sources; torch takes a seed modulo 2**32


@dataclass(frozen=True)
class Batch:
    """The triplets of a step; `places` are their row indices in the data, broken rows included.

    `sources` counts the rows of each source, by name; empty if the data has one source.
    """

    triplets: tuple[Triplet, ...]
    places: tuple[int, ...]
    sources: Mapping[str, int] = field(default_factory=dict)

    @property
    def items(self) -> list[RawItem]:
        """All items: the anchors, the positives, then the hard negatives."""
        rows = [one.items for one in self.triplets]
        return _by_place(rows)

    @property
    def sides(self) -> list[Side]:
        """The side of each of `items`."""
        return _by_place([one.sides for one in self.triplets])


def _by_place(rows: Sequence[Sequence[Value]]) -> list[Value]:
    """Return what rows have for their anchors, then for the positives, then for the negatives."""
    anchors, positives = [row[0] for row in rows], [row[1] for row in rows]
    return anchors + positives + [value for row in rows for value in row[2:]]


@dataclass(frozen=True)
class _Pool:
    """Rows that are shuffled together: `size` of them from `first` on.

    An epoch is `epoch` rows: all of them, or as many as fill whole batches.
    """

    number: int
    first: int
    size: int
    epoch: int


class Batches:
    """The batch of every step, endless.

    `weights` are the shares of the data's sources, in any unit; `batching` says whether a batch has
    rows of all sources or of one. Where all batches take equally many rows of a pool, the rows that
    do not fill a batch are left out of the epoch.

    Raises:
        DataError: the data, or a source, has fewer rows than a batch takes from it.
    """

    def __init__(
        self,
        data: Triplets,
        size: int,
        seed: int,
        *,
        weights: Sequence[float] = (),
        batching: Batching = "mixed",
    ) -> None:
        self._data, self._size, self._seed = data, size, seed
        self._alone = batching == "homogeneous"
        self._starts = np.cumsum([0, *(one.size for one in data.sources)])
        if not (weights or self._alone or any(one.groups for one in data.sources)):
            self._pools = [_Pool(0, 0, len(data.rows), len(data.rows) // size * size)]
            self._edges = np.array([1.0])
        else:
            self._pools = self._split(whole=self._alone)
            shares = np.array(weights or [one.size for one in data.sources], float)
            self._edges = np.cumsum(shares) / shares.sum()
        self._check()
        self._order = lru_cache(maxsize=2 * len(self._pools))(self._shuffle)

    def __getitem__(self, step: int) -> Batch:
        """Return the batch of a step, from 0."""
        before, after = self._taken(step), self._taken(step + 1)
        rows = [
            self._row(pool, number)
            for pool, start, end in zip(self._pools, before, after, strict=True)
            for number in range(start, end)
        ]
        return Batch(
            tuple(self._data.rows[row] for row in rows),
            tuple(self._data.places[row] for row in rows),
            self._count_sources(rows),
        )

    def _split(self, *, whole: bool) -> list[_Pool]:
        """Return a pool for each source; with `whole`, its epochs are of whole batches."""
        return [
            _Pool(number, int(first), one.size, one.size // self._size * self._size)
            if whole
            else _Pool(number, int(first), one.size, one.size)
            for number, (first, one) in enumerate(
                zip(self._starts, self._data.sources, strict=False)
            )
        ]

    def _check(self) -> None:
        if len(self._data.rows) < self._size:
            raise DataError(
                f"the data has {plural(len(self._data.rows), 'usable row')}, fewer than a batch of "
                f"{self._size}; give more data or a smaller batch",
                argument="batch",
            )
        shares = np.diff(self._edges, prepend=0)
        most = [self._size] * len(shares) if self._alone else np.ceil(shares * self._size - 1e-9)
        for pool, source, rows in zip(self._pools, self._data.sources, most, strict=False):
            if len(self._pools) > 1 and pool.size < rows:
                raise DataError(
                    f"{source.name} has {plural(pool.size, 'usable row')}, fewer than the "
                    f"{int(rows)} that a batch takes from it; give it more rows or a smaller "
                    "weight, or make the batch smaller",
                    argument="batch",
                )

    def _taken(self, step: int) -> list[int]:
        """Return how many rows of each pool the batches before `step` take.

        One draw for each row of a batch, or for the batch: of as many points at equal distances,
        moved by a fraction that differs from step to step, those between two edges are a pool's.
        """
        draws = 1 if self._alone else self._size
        moved = np.modf(self._seed * GOLDEN % 1 + GOLDEN * np.arange(step))[0]
        inner = np.floor(draws * self._edges[:-1] + moved[:, None]).sum(axis=0)
        taken = np.diff([0, *inner, draws * step]).astype(np.int64)
        return [int(count) * (self._size // draws) for count in taken]

    def _row(self, pool: _Pool, number: int) -> int:
        epoch, place = divmod(number, pool.epoch)
        return pool.first + int(self._order(pool, epoch)[place])

    def _shuffle(self, pool: _Pool, epoch: int) -> NDArray[np.int64]:
        seed = self._seed + epoch + pool.number * APART  # sources of equal size in other orders
        generator = torch.Generator().manual_seed(seed)
        sources = self._data.sources[pool.number : pool.number + 1]
        if not (sources and sources[0].groups):
            return _permute(pool.size, generator)
        return _shuffle_windows(sources[0].groups, sources[0].together, generator)

    def _count_sources(self, rows: Sequence[int]) -> Mapping[str, int]:
        if len(self._data.sources) < 2:  # noqa: PLR2004
            return {}
        found = np.searchsorted(self._starts, rows, side="right") - 1
        counts = np.bincount(found, minlength=len(self._data.sources))
        names = [one.name for one in self._data.sources]
        return {name: int(n) for name, n in zip(names, counts, strict=True) if n}


def _permute(size: int, generator: torch.Generator) -> NDArray[np.int64]:
    order: NDArray[np.int64] = torch.randperm(size, generator=generator).numpy()
    return order


def _shuffle_windows(
    groups: Sequence[int], together: int, generator: torch.Generator
) -> NDArray[np.int64]:
    """Shuffle the groups, then the rows of so many groups together."""
    starts = np.cumsum([0, *groups])
    shuffled = _permute(len(groups), generator)
    windows = []
    for first in range(0, len(groups), together):
        chosen = shuffled[first : first + together]
        rows = np.concatenate([np.arange(starts[n], starts[n + 1]) for n in chosen])
        windows.append(rows[_permute(len(rows), generator)])
    return np.concatenate(windows)
