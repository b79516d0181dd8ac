"""Rows of data larger than memory: found in one pass, left on disk, and read again when needed.

    JSON lines (UTF-8) -> the byte offset of every line    -> any row at any time
    Parquet            -> row groups, the latest in memory -> rows of a few groups at a time

Only an index is kept: about 20 bytes for each triplet. The order of JSON lines is an exact shuffle.
Rows of Parquet are shuffled within windows of row groups, which are shuffled, too: a window is as
many groups as take `WINDOW` bytes, at least one. Small files are read into memory
(`e5v.training.data_files`), and so are CSV, TSV and JSON arrays of any size.
"""

import json
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO, Protocol, overload

from e5v.errors import DataError, first_line
from e5v.jsonl import LineFault, read_line
from e5v.parquet import open_parquet
from e5v.training.cells import UnusableError
from e5v.training.data_files import Check, DataRow, json_row, read_value
from e5v.training.triplets import Triplet

IN_MEMORY = 64 << 20  # bytes of a file, up to which its rows are kept in memory
WINDOW = 128 << 20  # bytes of the row groups that are shuffled together
ROWS_AT_ONCE = 256  # of a table, in the pass over all rows


class Store(Protocol):
    """Rows on disk.

    Where it matters, `groups` are the numbers of rows that are read together, and `together` is the
    number of groups in a window; else there are no groups.
    """

    groups: Sequence[int]
    together: int

    def rows(self) -> Iterator[DataRow]:
        """Read all rows, in order; `key` finds each of them again."""

    def read(self, key: int) -> DataRow:
        """Read one row again."""


def open_store(file: Path, check: Check) -> Store | None:
    """Open a large file of JSON lines or Parquet; None if it is to be read into memory."""
    try:
        size = file.stat().st_size
        if file.suffix.lower() == ".parquet":
            return _open_table(file, check)
        if file.suffix.lower() in {".jsonl", ".json"} and size > IN_MEMORY and _has_lines(file):
            return LineStore(_Unchanged.of(file))
    except OSError:
        return None  # told by whoever reads it into memory
    return None


def _has_lines(file: Path) -> bool:
    """Return whether a file is JSON lines in UTF-8, and no array."""
    with file.open("rb") as stream:
        start = stream.read(4096)
    encoding = json.detect_encoding(start[:4])
    return encoding.startswith("utf-8") and start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


@dataclass(frozen=True)
class _Unchanged:
    """A file, with the size and time it had when it was first opened."""

    file: Path
    size: int
    time: int

    @classmethod
    def of(cls, file: Path) -> "_Unchanged":
        state = file.stat()
        return cls(file, state.st_size, state.st_mtime_ns)

    def check(self) -> None:
        """Check that it is as it was.

        Raises:
            DataError: it was changed or removed.
        """
        try:
            state = self.file.stat()
        except OSError as error:
            raise DataError(f"{self.file} cannot be read: {error.strerror}") from None
        if (state.st_size, state.st_mtime_ns) != (self.size, self.time):
            raise DataError(f"{self.file} was changed while it was trained on; restore it")


class LineStore:
    """JSON lines by their byte offsets."""

    groups: Sequence[int] = ()
    together: int = 1

    def __init__(self, known: _Unchanged) -> None:
        self._known = known

    def rows(self) -> Iterator[DataRow]:
        """Read all lines; `key` is the byte at which a line begins."""
        number = start = 0
        with self._open() as stream:
            for raw in stream:
                for line in raw.splitlines(keepends=True):  # at "\r", too
                    number += 1
                    row = _line_row(number, line, start)
                    if row is not None:
                        yield row
                    start += len(line)

    def read(self, key: int) -> DataRow:
        """Read the line that begins at a byte."""
        self._known.check()
        with self._open() as stream:
            stream.seek(key)
            line = stream.readline().splitlines()[0]
        row = _line_row(0, line, key)
        assert row is not None
        return row

    def _open(self) -> BinaryIO:
        try:
            return self._known.file.open("rb")
        except OSError as error:
            raise DataError(f"{self._known.file} cannot be read: {error.strerror}") from None


def _line_row(number: int, line: bytes, key: int) -> DataRow | None:
    read = read_line(number, line)
    if isinstance(read, LineFault):
        return DataRow(number, {}, read.reason, "line", key)
    return None if read is None else json_row(number, read.value, "line", key)


def _open_table(file: Path, check: Check) -> "TableStore | None":
    known = _Unchanged.of(file)
    with open_parquet(file) as table:
        groups = [table.metadata.row_group(n) for n in range(table.num_row_groups)]
        sizes = [group.total_byte_size for group in groups]
        if sum(sizes) <= IN_MEMORY:
            return None
        names = table.schema_arrow.names
        used = [name for name in names if name in check(file, names)]
        counts = [group.num_rows for group in groups]
    return TableStore(known, names, used, counts, max(1, WINDOW // max(sizes)))


class TableStore:
    """A Parquet file by its row groups, of which those of two windows stay in memory."""

    def __init__(
        self,
        known: _Unchanged,
        names: Sequence[str],
        used: Sequence[str],
        counts: Sequence[int],
        together: int,
    ) -> None:
        self._known, self._names, self._used = known, names, used
        self._starts = [*accumulate(counts, initial=0)]
        self.groups: Sequence[int] = counts
        self.together = together
        self._group = lru_cache(maxsize=2 * together)(self._read_group)

    def rows(self) -> Iterator[DataRow]:
        """Read all rows; `key` is the index of a row."""
        key = 0
        with open_parquet(self._known.file) as table:
            for batch in table.iter_batches(ROWS_AT_ONCE, columns=self._used):
                for place in range(len(batch)):
                    yield self._row(batch, place, key)
                    key += 1

    def read(self, key: int) -> DataRow:
        """Read the row of an index."""
        group = bisect_right(self._starts, key) - 1
        return self._row(self._group(group), key - self._starts[group], key)

    def _read_group(self, number: int) -> Any:
        self._known.check()
        with open_parquet(self._known.file) as table:
            return table.read_row_group(number, columns=self._used)

    def _row(self, table: Any, place: int, key: int) -> DataRow:
        return table_row(self._names, table, place, key)


def table_row(names: Sequence[str], table: Any, place: int, key: int) -> DataRow:
    """Return a row of an Arrow table; columns of `names` that it lacks are empty."""
    cells = {name: read_value(table.column(name)[place]) for name in table.schema.names}
    return DataRow(key + 1, dict.fromkeys(names) | cells, key=key)


@dataclass(frozen=True, eq=False)
class StoredTriplets(Sequence[Triplet]):
    """Triplets of a store, parsed when they are asked for.

    `keys` find the row of each, `which` is its number among the triplets of that row.
    """

    file: Path
    store: Store
    parse: Callable[[Path, DataRow], Sequence[Triplet]]
    keys: "array[int]" = field(default_factory=lambda: array("q"))
    which: "array[int]" = field(default_factory=lambda: array("I"))

    def __len__(self) -> int:
        """Return their number."""
        return len(self.keys)

    @overload
    def __getitem__(self, place: int) -> Triplet: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Triplet]: ...
    def __getitem__(self, place: int | slice) -> Triplet | Sequence[Triplet]:
        """Read one or several again.

        Raises:
            DataError: the file was changed, or an image that a row names is gone.
        """
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        row = self.store.read(self.keys[place])
        try:
            return self.parse(self.file, row)[self.which[place]]
        except (UnusableError, IndexError) as error:
            raise DataError(
                f"{self.file}: a row cannot be read again: {first_line(error)}; restore it"
            ) from None

    def add(self, row: DataRow, which: int) -> None:
        """Add a triplet of a row."""
        self.keys.append(row.key)
        self.which.append(which)

    @property
    def groups(self) -> tuple[int, ...]:
        """How many triplets there are in each group of the store."""
        starts = [*accumulate(self.store.groups, initial=0)]
        places = [bisect_left(self.keys, start) for start in starts]
        return tuple(end - start for start, end in pairwise(places))
