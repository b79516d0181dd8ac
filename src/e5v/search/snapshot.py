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
from e5v.search.calibration import SAMPLE, Calibration, Scale
from e5v.search.entries import KINDS, Entry, Filters, Hit
from e5v.search.entry_table import Table
from e5v.search.filters import whole_condition
from e5v.search.index_folder import read_copied
from e5v.search.keys import find_positions
from e5v.search.live import Live
from e5v.search.marks import Marks, read_marks, version_of
from e5v.search.nearest import Neighbours, VectorCollection, nearest, nearest_each
from e5v.search.signs import Signs
from e5v.search.table_rows import COLUMNS
from e5v.vectors import unit

TRIES = 5  # while a writer changes the index
LOOKED_AT = 8_192  # records, of which those of a kind are sampled


@dataclass(frozen=True)
class Snapshot:
    """The table, the current records, their vectors, and their marks.

    `live` and `collection` are of all current records, in one order; `offline` are the positions in
    them of those whose files are missing, which searches skip by default, `online` the others.
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
            if len(live) and collection.signs is None and attempt < TRIES - 1:
                continue  # removed rows have just left the cache
            return cls(table, live, collection, marks, marked)
        raise unreadable(folder, fault) from fault

    def is_latest(self, folder: Path) -> bool:
        """Return whether nothing was written to the index since the snapshot."""
        return Table.open(folder).version == self.table.version and _state_of(folder) == self.marked

    @cached_property
    def offline(self) -> NDArray[np.int64]:
        """Ascending positions in `live` of the records whose files are missing."""
        missing = np.fromiter(self.marks.missing, np.int64, len(self.marks.missing))
        places = find_positions(self.live.numbers, np.sort(missing))
        return places[places >= 0]

    @cached_property
    def online(self) -> NDArray[np.int64]:
        """Ascending positions in `live` of the other records."""
        return np.delete(np.arange(len(self.live)), self.offline)

    def __len__(self) -> int:
        """Return the number of records whose files are not missing."""
        return len(self.live) - len(self.offline)

    def places(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the positions of ids; unknown ids are skipped."""
        spans = self.live.ids.find_all(ids)
        wanted = np.repeat(np.arange(len(ids)), spans.counts).tolist()
        places = self.live.ids.places[spans.slots()].astype(np.int64)
        stored = self.ids(places)
        found = [ids[one] == id for one, id in zip(wanted, stored, strict=True)]
        known: NDArray[np.int64] = places[np.array(found, bool)]
        return known

    def ids(self, places: NDArray[np.int64]) -> list[str]:
        """Return ids by position, in the order given."""
        return [one["id"] for one in self.table.take(self.live.addresses[places].tolist(), ("id",))]

    def count_kinds(self) -> dict[str, int]:
        """Count the records of each kind whose files are not missing."""
        kinds = self.live.kinds
        gone = np.bincount(kinds[self.offline], minlength=len(KINDS))
        counts = np.bincount(kinds, minlength=len(KINDS)) - gone
        return dict(zip(KINDS, counts.tolist(), strict=False))

    def entries(self, within: Sequence[int] | NDArray[np.int64]) -> list[Entry]:
        """Return entries by position in `live`, in the order given."""
        chosen = np.asarray(within, np.int64)
        records = self.table.take(self.live.addresses[chosen], COLUMNS)
        numbers = self.live.numbers[chosen].tolist()
        return [self._entry(*pair) for pair in zip(numbers, records, strict=True)]

    def _entry(self, number: int, record: dict[str, Any]) -> Entry:
        values = {column: record[column] for column in COLUMNS if column in record}
        values["part"] = self.marks.parts.get(number, record["part"])
        return Entry(**values, offline=number in self.marks.missing)

    @cached_property
    def newest(self) -> NDArray[np.int64]:
        """`online` by mtime, newest first; the parts of one file in order."""
        return self.online[np.argsort(-self.live.mtimes[self.online], kind="stable")]

    def newest_of(self, kind: str | None, where: str | None = None) -> NDArray[np.int64]:
        """Return the positions of one kind, or of all if None, that match a filter, newest first.

        Raises:
            UsageError: the filter is invalid.
        """
        chosen = self.newest
        if kind is not None:
            chosen = chosen[self.live.kinds[chosen] == KINDS.index(kind)]
        if where is not None:
            chosen = chosen[np.isin(self.live.numbers[chosen], self.table.matching(where))]
        return chosen

    def search(
        self, query: NDArray[np.float32], k: int, where: str | None, *, offline: bool
    ) -> list[Hit]:
        """Find the `k` entries nearest to a unit vector (d,), nearest first.

        Raises:
            UsageError: the filter is invalid.
        """
        if not len(self.live):
            return []
        if self._is_indexed(where):
            found = self._near_indexed(query, k, where, offline=offline)
        else:
            found = nearest(self.collection, self._wanted(where, offline=offline), query, k)
        return _hits(self.entries(found.places), found.scores)

    def search_kinds(
        self,
        query: NDArray[np.float32],
        k: int,
        filters: Filters,
        scale: Scale,
    ) -> list[Hit]:
        """Find the `k` best of images and texts, in the order of a scale.

        Raises:
            UsageError: the filter is invalid.
        """
        if not len(self.live):
            return []
        found = {
            kind: near.above(filters.min_score)
            for kind, near in zip(KINDS, self._near_kinds(query, k, filters), strict=True)
        }
        order = scale.merge({kind: near.scores.tolist() for kind, near in found.items()})[:k]
        places = np.array([found[kind].places[place] for kind, place in order], np.int64)
        scores = np.array([found[kind].scores[place] for kind, place in order], np.float32)
        return _hits(self.entries(places), scores)

    def _near_kinds(self, query: NDArray[np.float32], k: int, filters: Filters) -> list[Neighbours]:
        """Return the `k` nearest of each kind."""
        where, offline = filters.where, filters.offline
        if not self._is_indexed(where):
            wanted = self._wanted(where, offline=offline)
            groups = [wanted[self.live.kinds[wanted] == number] for number in range(len(KINDS))]
            return nearest_each(self.collection, groups, query, k)
        if where is not None:
            self.table.near(query, 1, where)  # its faults name the filter as it was given
        rest = "" if where is None else f"{whole_condition(where)} AND "
        return [
            self._near_indexed(query, k, f"{rest}kind = '{kind}'", offline=offline)
            for kind in KINDS
        ]

    def _is_indexed(self, where: str | None) -> bool:
        """Return whether LanceDB's index answers."""
        return self.table.indexed and (where is None or where.isascii())

    def _wanted(self, where: str | None, *, offline: bool) -> NDArray[np.int64]:
        """Return the ascending positions of the records that a filter matches."""
        wanted = np.arange(len(self.live)) if offline else self.online
        if where is not None:
            wanted = wanted[np.isin(self.live.numbers[wanted], self.table.matching(where))]
        return wanted

    def _near_indexed(
        self, query: NDArray[np.float32], k: int, where: str | None, *, offline: bool
    ) -> Neighbours:
        """Ask LanceDB's index for more until enough of its hits are current and online.

        The work does not grow with the number of records.
        """
        asked = k
        while True:
            found = self.table.near(query, asked, where)
            places = find_positions(self.live.numbers, found.numbers)
            counts = places >= 0
            if not offline:
                counts &= find_positions(self.offline, places) < 0
            if counts.sum() >= k or len(found.numbers) < asked:
                break
            asked *= 4
        return Neighbours(places[counts][:k], found.scores[counts][:k])

    @cached_property
    def calibration(self) -> Calibration:
        """What cosines mean in this version."""
        there = [kind for kind, count in self.count_kinds().items() if count]
        return Calibration({kind: self._sample(KINDS.index(kind)) for kind in there})

    def _sample(self, kind: int) -> NDArray[np.float32]:
        """Return vectors of a kind that are spread over the index."""
        spread = np.linspace(0, len(self.live) - 1, min(len(self.live), LOOKED_AT)).astype(np.int64)
        of_kind = spread[self.live.kinds[spread] == kind]
        if len(of_kind) < SAMPLE:  # a scarce one
            of_kind = np.flatnonzero(self.live.kinds == kind)
        count = min(len(of_kind), SAMPLE)
        chosen = of_kind[np.linspace(0, len(of_kind) - 1, count).astype(np.int64)]
        return unit(self.collection.vectors.take(chosen))


def _state_of(folder: Path) -> object:
    """Return what changes with the marks, and where a folder is a copy, with the index itself."""
    return version_of(folder), read_copied(folder)[0]


def _collection(folder: Path, table: Table, live: Live) -> VectorCollection:
    """Return the vectors of records, and their sign bits if the cache has them all."""
    signs = Signs.read(folder)
    vectors = table.open_vectors(live.addresses)
    if signs is not None and np.array_equal(signs.numbers, live.numbers):
        return VectorCollection(vectors, signs, None)
    rows = None if signs is None else signs.rows(live.numbers)
    return VectorCollection(vectors, None if rows is None else signs, rows)


def unreadable(folder: Path, error: Exception) -> DataError:
    """Return the error for an index that cannot be read."""
    what = f"the index in {folder} cannot be read: {first_line(error)}"
    return DataError(f"{what}; remove it and run e5v index again")


def _hits(entries: Sequence[Entry], scores: NDArray[np.float32]) -> list[Hit]:
    at_most = np.minimum(scores, 1).tolist()  # rounding of float16 can exceed 1
    return [Hit(entry, score) for entry, score in zip(entries, at_most, strict=True)]
