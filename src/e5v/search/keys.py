"""Find strings among millions without keeping them in memory: 64 bits of each, sorted.

strings -> keys -> sorted, with the place of each -> the places that may have a string

A key is Python's hash of a string: it differs from process to process, and is never stored. Two
strings may have the same key, so whoever asks reads what is at the places, and compares.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECE = 2**20  # numbers compared at once


@dataclass(frozen=True)
class Spans:
    """For each of some keys, where its slots begin and end in a `KeyIndex`."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of slots of each key."""
        return self.ends - self.starts

    def slots(self) -> NDArray[np.int64]:
        """Return all slots, those of the first key first."""
        counts = self.counts
        before = np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(self.starts, counts) + np.arange(len(before)) - before


@dataclass(frozen=True)
class KeyIndex:
    """The keys of n strings: `keys` (n,) ascending, and `places` (n,), that of each string.

    A slot is a position in both. Equal keys are in the order of their places.
    """

    keys: NDArray[np.int64]
    places: NDArray[np.uint32]

    @classmethod
    def of(cls, keys: NDArray[np.int64]) -> "KeyIndex":
        """Index keys that are in the order of their places."""
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], order.astype(np.uint32))

    def __len__(self) -> int:
        """Return the number of strings."""
        return len(self.keys)

    def find(self, string: str) -> NDArray[np.int64]:
        """Return the ascending places that may have a string."""
        return self.places[self.find_all([string]).slots()].astype(np.int64)

    def find_all(self, strings: Sequence[str]) -> Spans:
        """Return the slots that may have each of some strings."""
        wanted = keys_of(strings)
        ends = [np.searchsorted(self.keys, wanted, side) for side in ("left", "right")]
        return Spans(*ends)

    def shared(self) -> NDArray[np.int64]:
        """Return the ascending places whose key has another place, too."""
        same = np.flatnonzero(self.keys[1:] == self.keys[:-1])
        slots = np.union1d(same, same + 1)
        return np.sort(self.places[slots]).astype(np.int64)

    def by_place(self) -> NDArray[np.int64]:
        """Return the keys in the order of their places."""
        keys = np.empty_like(self.keys)
        keys[self.places] = self.keys
        return keys


class Columns:
    """Columns that are filled some rows at a time, in memory that is asked for at once.

    Many small arrays between Python's own objects would leave holes that cannot be given back.
    """

    def __init__(self, count: int, types: Sequence[type[np.generic]]) -> None:
        self._columns = [np.empty(count, dtype) for dtype in types]
        self._filled = 0

    def add(self, arrays: Sequence[NDArray[np.generic]]) -> None:
        """Add rows: an array for each column."""
        end = self._filled + len(arrays[0])
        if end > len(self._columns[0]):  # more than was expected
            self._columns = [np.resize(column, 2 * end) for column in self._columns]
        for column, array in zip(self._columns, arrays, strict=True):
            column[self._filled : end] = array
        self._filled = end

    def take(self) -> list[NDArray[Any]]:
        """Return the columns, and keep none."""
        columns, self._columns = self._columns, []
        return [column[: self._filled] for column in columns]


def keys_of(strings: Iterable[str]) -> NDArray[np.int64]:
    """Return the key of each string."""
    return np.fromiter(map(hash, strings), np.int64)


def find_positions(ascending: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each wanted number among ascending ones; -1 if it is not there."""
    if not len(ascending):
        return np.full(len(wanted), -1)
    places = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return np.where(ascending[places] == wanted, places, -1)


def are_ascending(numbers: NDArray[np.int64]) -> bool:
    """Return whether each number is larger than the one before it."""
    steps = range(0, len(numbers) - 1, PIECE)
    pieces = (numbers[start : start + PIECE + 1] for start in steps)
    return all((piece[1:] > piece[:-1]).all() for piece in pieces)
