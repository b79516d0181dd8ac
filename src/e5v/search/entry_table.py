"""The table of entries and their vectors: embedded LanceDB, flushed to disk after every commit.

records -> one fragment per commit -> fsync; a filter -> row numbers; row numbers -> records

Every record has a unique, increasing number that is never reused: it links a record to its sign
bits in `signs.py`. A record that replaces one of the same id is written before the old one is
removed: if both exist, the higher number is current.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError
from e5v.extras import imported
from e5v.files import sync
from e5v.search.addresses import Addresses
from e5v.search.column_update import open_or_create, update_columns
from e5v.search.filtering import filtering, find_matching, first_message
from e5v.search.filters import whole_condition
from e5v.search.live import READ, Live, read_live
from e5v.search.records import Known
from e5v.search.stored_vectors import COLUMN, Vectors, open_vectors
from e5v.search.table_rows import make_rows, make_states

with imported("an index"):
    import lancedb
    import pyarrow as pa
    from lancedb.index import Bitmap, IvfRq

NAME = "entries"
SOME_FRAGMENTS, MOST_FRAGMENTS = 16, 256  # worth joining if large; always worth joining
LEAST_REMOVED = 1_000  # records
LEAST_DEAD, MOST_VERSIONS = 2**20, 256  # bytes and versions worth cleaning up
KEPT = timedelta(minutes=5)  # how long old versions are kept for readers, if they are small
AT_ONCE = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Near:
    """Hits of LanceDB's own index: record numbers, and cosines, highest first."""

    numbers: NDArray[np.int64]
    scores: NDArray[np.float32]


class Table:
    """One version of the table."""

    def __init__(self, table: Any, folder: Path) -> None:
        self._table = table
        self._folder = folder / f"{NAME}.lance"
        self._synced: set[str] = set()
        self._addresses = Addresses(lambda last: self.scan(("row", "_rowid"), f"row > {last}"))

    @classmethod
    def open(cls, folder: Path) -> "Table":
        """Open the table in an index folder.

        Raises:
            DataError: there is no table, or it is damaged.
        """
        try:
            return cls(lancedb.connect(folder).open_table(NAME), folder)
        except Exception as error:
            raise DataError(
                f"the index in {folder} cannot be opened: {first_message(error)}"
            ) from error

    @classmethod
    def create(cls, folder: Path, dim: int) -> "Table":
        """Open the table; create it if it does not exist, and the columns that it lacks."""
        table = cls(open_or_create(folder, NAME, dim), folder)
        table.sync()
        return table

    @property
    def version(self) -> int:
        """The number of the open version."""
        version: int = self._table.version
        return version

    def live(self) -> Live:
        """Return the current records."""
        return read_live(
            self.scan(READ), len(self), lambda some: [one["id"] for one in self.take(some, ("id",))]
        )

    def __len__(self) -> int:
        """Return the number of all records, including those that have been replaced."""
        count: int = self._table.count_rows()
        return count

    def numbers(self) -> NDArray[np.int64]:
        """Return the numbers of all records, including those that have been replaced."""
        found = [batch["row"].to_numpy() for batch in self.scan(["row"])]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def read(self, numbers: NDArray[np.int64], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of existing records by number, in the order given."""
        return self.take(self._addresses.of(numbers).tolist(), columns)

    def read_vectors(self, numbers: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the vectors (n, d) of records by number, in the order given."""
        return self.vectors(self._addresses.of(numbers))

    def scan(self, columns: Sequence[str], where: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yield columns of all records, or of those that match a condition, some at a time."""
        query = self._table.search().select([name for name in columns if name != "_rowid"])
        if where is not None:
            query = query.where(where)
        query = query.with_row_id("_rowid" in columns).limit(None)
        yield from query.to_batches(SCANNED)

    def matching(self, where: str) -> NDArray[np.int64]:
        """Return the numbers of the records that match a filter.

        Filters and file names may be in composed or decomposed Unicode.

        Raises:
            UsageError: the filter is invalid.
        """
        return find_matching(self._table, where)

    @cached_property
    def _index_columns(self) -> frozenset[str]:
        return frozenset(name for index in self._table.list_indices() for name in index.columns)

    @property
    def indexed(self) -> bool:
        """Whether LanceDB has an index of the vectors."""
        return "vector" in self._index_columns

    @property
    def lacks_index(self) -> bool:
        """Whether there is something for `make_index` to make."""
        return not self._index_columns >= {"vector", "kind"}

    def make_index(self) -> None:
        """Make LanceDB's missing indexes: of vectors (one bit per dimension), and of kinds."""
        if not self.indexed:
            self._table.create_index("vector", config=IvfRq(distance_type="cosine", num_bits=1))
        self._table.create_index("kind", config=Bitmap())
        self.__dict__.pop("_index_columns", None)

    def near(self, query: NDArray[np.float32], k: int, where: str | None) -> Near:
        """Return the `k` records nearest to a vector (d,) by LanceDB's index, refined.

        Raises:
            UsageError: the filter is invalid.
        """
        search = self._table.search(query, vector_column_name="vector").distance_type("cosine")
        search = search.nprobes(PROBES).refine_factor(REFINED).limit(k)
        if where is not None:
            search = search.where(whole_condition(where), prefilter=True)
        with filtering(where or ""):
            found = search.select(["row", "_distance"]).to_arrow()
        return Near(found["row"].to_numpy(), 1 - found["_distance"].to_numpy())

    def take(self, addresses: Iterable[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of records by address, in the order given; some may be lacking."""
        columns = [name for name in columns if name in self._table.schema.names]
        wanted = list(map(int, addresses))
        if not wanted:
            return []
        query = self._table.take_row_ids(wanted).with_row_id().select(columns)
        found = {record["_rowid"]: record for record in query.to_arrow().to_pylist()}
        return [found[address] for address in wanted]

    def open_vectors(self, addresses: NDArray[np.uint64]) -> Vectors:
        """Return the vectors of records by position in `addresses`, mapped if that is possible.

        Raises:
            FileNotFoundError: the version has been removed.
        """
        dim = self._table.schema.field(COLUMN).type.list_size
        return open_vectors(self._folder, self.version, addresses, dim, self.vectors)

    def vectors(self, addresses: NDArray[np.uint64]) -> NDArray[np.float16]:
        """Return the vectors (n, d) of records by address, in the order given."""
        if 2 * len(addresses) > self._table.count_rows():  # reading all is then faster
            query = self._table.search().with_row_id(True).limit(None)  # noqa: FBT003
        else:
            query = self._table.take_row_ids(addresses.tolist()).with_row_id()
        found = query.select([COLUMN]).to_arrow().combine_chunks()
        flat = found[COLUMN].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        order = np.argsort(found["_rowid"].to_numpy())
        places = order[np.searchsorted(found["_rowid"].to_numpy(), addresses, sorter=order)]
        rows: NDArray[np.float16] = flat.reshape(len(found), -1)[places]
        return rows

    def add(self, records: Sequence[Mapping[str, Any]], vectors: NDArray[np.float16]) -> None:
        """Write records and their vectors (n, d), as one commit."""
        with self._writing():
            self._table.add(self.make_rows(records, vectors))

    def add_batches(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Write any number of rows in the table's own columns, as one commit."""
        with self._writing():
            self._table.add(pa.RecordBatchReader.from_batches(self._table.schema, batches))

    def make_rows(
        self, records: Sequence[Mapping[str, Any]], vectors: NDArray[np.float16]
    ) -> pa.Table:
        """Return records and their vectors (n, d) in the table's own columns."""
        return make_rows(self._table.schema, records, vectors)

    def update(self, known: Sequence[Known]) -> None:
        """Write the state of the files of existing records, without their vectors."""
        with self._writing():
            update_columns(self._table, make_states(known))
        self._addresses.forget()  # in case LanceDB has moved them

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove records by number, as one commit."""
        for start in range(0, len(numbers), MOST_NAMED):
            named = ", ".join(map(str, numbers[start : start + MOST_NAMED]))
            with self._writing():
                self._table.delete(f"row IN ({named})")

    def is_untidy(self) -> bool:
        """Return whether enough is fragmented, removed or outdated to call `optimize`.

        That rewrites all records, so one record added to many is not enough.
        """
        stats = self._table.stats()
        fragments, count = stats["fragment_stats"], stats["num_rows"]
        largest, written = (fragments["lengths"][name] for name in ("max", "mean"))
        written *= fragments["num_fragments"]
        small = fragments["num_small_fragments"]
        if small >= MOST_FRAGMENTS or (small >= SOME_FRAGMENTS and written - largest > largest / 4):
            return True
        if written - count > max(LEAST_REMOVED, count / 4):
            return True
        if self._has_much_dead():
            return True
        old = datetime.now() - KEPT
        expired = [one for one in self._table.list_versions() if one["timestamp"] < old]
        return len(expired) > MOST_VERSIONS

    def _has_much_dead(self) -> bool:
        """Return whether old versions alone hold much of what the table takes on disk."""
        live: int = self._table.stats()["total_bytes"]
        dead: int = self._bytes_on_disk() - live
        return dead > max(LEAST_DEAD, live // 4)

    def _bytes_on_disk(self) -> int:
        """Return the bytes of the table on disk, with all versions."""
        size = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                with suppress(FileNotFoundError):
                    size += Path(folder, name).stat().st_size
        return size

    def optimize(self) -> None:
        """Join small fragments, update indexes and drop old versions.

        This writes all records again. Old versions are kept for readers unless they hold much, so
        that there are never more than two copies; a reader of a dropped one moves to the latest.
        """
        with self._writing():
            self._addresses.forget()
            self._table.optimize(cleanup_older_than=KEPT)
            if self._has_much_dead():  # what a killed writer left is dead, too
                self._table.optimize(cleanup_older_than=AT_ONCE, delete_unverified=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Report a failed commit in one line; usually the disk is full."""
        try:
            yield
        except (RuntimeError, OSError) as error:
            raise DataError(
                f"the index in {self._folder.parent} cannot be written: {first_message(error)}"
            ) from error

    def sync(self) -> None:
        """Flush everything written since the last call to disk; LanceDB does not."""
        for folder, _, names in os.walk(self._folder):
            fresh = [path for name in names if (path := f"{folder}/{name}") not in self._synced]
            for path in fresh:
                with suppress(FileNotFoundError):  # removed with old versions
                    sync(Path(path))
            if fresh:
                sync(Path(folder))
            self._synced.update(fresh)


PROBES, REFINED = 50, 10  # partitions searched, and rows compared exactly per hit
MOST_NAMED = 1_000  # numbers in one filter
SCANNED = 2**14  # records at a time
