"""One immutable version of an index, as a reader sees it.

index folder -> table, current records, their vectors and sign bits -> Snapshot
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError, first_line
from e5v.extras import imported
from e5v.search.entries import Entry, Hit
from e5v.search.entry_table import COLUMNS, Table
from e5v.search.index_folder import read_copied
from e5v.search.live import Live
from e5v.search.marks import Marks, read_marks, version_of
from e5v.search.nearest import VectorCollection, nearest
from e5v.search.signs import Signs

with imported("an index"):
    import pyarrow.compute as pc

TRIES = 5  # while a writer changes the index


@dataclass(frozen=True)
class Snapshot:
    """The table, the current records, their vectors, and their marks.

    `live` and `collection` are of all current records, in one order; `online` are the positions in
    them of those whose files exist: searches skip the others by default.
    """

    table: Table
    live: Live
    collection: VectorCollection
    marks: Marks
    marked: object

    @classmethod
    def take(cls, folder: Path) -> "Snapshot":
        """Read the latest version of the index in a folder.

        Raises:
            DataError: it cannot be read.
        """
        for attempt in range(TRIES):
            marked = _state_of(folder)
            marks, table = read_marks(folder), Table.open(folder)
            try:
                live = table.live()
                collection = _collection(folder, table, live)
            except (RuntimeError, FileNotFoundError) as error:  # the writer has just replaced it
                fault = error
                continue
            if len(live.numbers) and collection.signs is None and attempt < TRIES - 1:
                continue  # removed rows have just left the cache
            return cls(table, live, collection, marks, marked)
        raise unreadable(folder, fault) from fault

    def is_latest(self, folder: Path) -> bool:
        """Return whether nothing was written to the index since the snapshot."""
        return Table.open(folder).version == self.table.version and _state_of(folder) == self.marked

    @cached_property
    def online(self) -> NDArray[np.int64]:
        """Ascending positions in `live` of the records whose files are not missing."""
        missing = np.array(list(self.marks.missing), np.int64)
        return np.flatnonzero(~np.isin(self.live.numbers, missing))

    def entries(self, within: Sequence[int] | NDArray[np.int64]) -> list[Entry]:
        """Return entries by position in `live`, in the order given."""
        chosen = np.asarray(within, np.int64)
        records = self.table.take(self.live.addresses[chosen], COLUMNS)
        numbers = self.live.numbers[chosen].tolist()
        return [self._entry(*pair) for pair in zip(numbers, records, strict=True)]

    def _entry(self, number: int, record: dict[str, Any]) -> Entry:
        values = {column: record[column] for column in COLUMNS}
        values["part"] = self.marks.parts.get(number, record["part"])
        return Entry(**values, offline=number in self.marks.missing)

    @cached_property
    def newest(self) -> NDArray[np.int64]:
        """`online` by mtime, newest first; the parts of one file in order."""
        numbers, mtimes = self.live.numbers[self.online], self.live.mtimes[self.online]
        return self.online[np.lexsort((numbers, -mtimes))]

    def newest_of(self, kind: str | None) -> NDArray[np.int64]:
        """Return the positions of one kind, newest first; of all kinds if None."""
        if kind is None:
            return self.newest
        wanted: NDArray[np.bool_] = pc.equal(self.live.kinds, kind).to_numpy(zero_copy_only=False)
        return self.newest[wanted[self.newest]]

    def search(
        self, query: NDArray[np.float32], k: int, where: str | None, *, offline: bool
    ) -> list[Hit]:
        """Find the `k` entries nearest to a unit vector (d,), nearest first.

        Raises:
            UsageError: the filter is invalid.
        """
        if not len(self.live.numbers):
            return []
        wanted = np.arange(len(self.live.numbers)) if offline else self.online
        if self.table.indexed and (where is None or where.isascii()):
            return self._search_indexed(query, k, where, self.live.numbers[wanted])
        if where is not None:
            wanted = wanted[np.isin(self.live.numbers[wanted], self.table.matching(where))]
        found = nearest(self.collection, wanted, query, k)
        return _hits(self.entries(found.places), found.scores)

    def _search_indexed(
        self, query: NDArray[np.float32], k: int, where: str | None, wanted: NDArray[np.int64]
    ) -> list[Hit]:
        """Ask LanceDB's index for more until enough of its hits are current and online."""
        asked = k
        while True:
            found = self.table.near(query, asked, where)
            counts = np.isin(found.numbers, wanted)
            if counts.sum() >= k or len(found.numbers) < asked:
                break
            asked *= 4
        within = np.searchsorted(self.live.numbers, found.numbers[counts][:k])
        return _hits(self.entries(within), found.scores[counts][:k])


def _state_of(folder: Path) -> object:
    """Return what changes with the marks, and where a folder is a copy, with the index itself."""
    return version_of(folder), read_copied(folder)[0]


def _collection(folder: Path, table: Table, live: Live) -> VectorCollection:
    """Return the vectors of records, and their sign bits if the cache has them all."""
    signs = Signs.read(folder)
    rows = None if signs is None else signs.rows(live.numbers)
    vectors = table.open_vectors(live.addresses)
    if rows is None:
        return VectorCollection(vectors, None, np.zeros(0, np.int64))
    return VectorCollection(vectors, signs, rows)


def unreadable(folder: Path, error: Exception) -> DataError:
    """Return the error for an index that cannot be read."""
    what = f"the index in {folder} cannot be read: {first_line(error)}"
    return DataError(f"{what}; remove it and run e5v index again")


def _hits(entries: Sequence[Entry], scores: NDArray[np.float32]) -> list[Hit]:
    at_most = np.minimum(scores, 1).tolist()  # rounding of float16 can exceed 1
    return [Hit(entry, score) for entry, score in zip(entries, at_most, strict=True)]
