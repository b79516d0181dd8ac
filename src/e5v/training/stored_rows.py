"""Rows of data larger than memory: found in one pass, left on disk, and read again when needed.

    JSON lines, CSV, TSV -> the byte offset of every row     -> any row at any time
    Parquet              -> row groups, the latest in memory -> rows of a few groups at a time

Only an index is kept: about 20 bytes for each triplet. The order of lines is an exact shuffle. Rows
of Parquet are shuffled within windows of row groups, which are shuffled, too: a window is as many
groups as take `WINDOW` bytes, at least one. Small files are read into memory
(`e5v.training.data_files`), and so are JSON arrays and texts that are not UTF-8, of any size.
"""

import json
from array import array
from bisect import bisect_left, bisect_right
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Protocol, overload

from e5v.errors import DataError, first_line
from e5v.parquet import open_parquet
from e5v.training.cells import UnusableError
from e5v.training.csv_records import DELIMITERS
from e5v.training.data_files import read_value
from e5v.training.data_row import Check, DataRow
from e5v.training.stored_lines import CsvStore, LineStore, Unchanged
from e5v.training.triplets import Triplet

IN_MEMORY = 64 << 20  # bytes of a file, up to which its rows are kept in memory
WINDOW = 128 << 20  # bytes of the row groups that are shuffled together
ROWS_AT_ONCE = 256  # of a table, in the pass over all rows
GB = 1e9
LINES = (".jsonl", ".json")
TEXTS = (*LINES, *DELIMITERS)


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
    """Open a large file of JSON lines, CSV, TSV or Parquet; None if it is to be read into memory.

    Raises:
        DataError: its columns are not known.
    """
    suffix = file.suffix.lower()
    try:
        if suffix == ".parquet":
            return _open_table(file, check)
        if suffix not in TEXTS or file.stat().st_size <= IN_MEMORY or why_in_memory(file):
            return None
        known = Unchanged.of(file)
        return CsvStore(known, check) if suffix in DELIMITERS else LineStore(known)
    except OSError:
        return None  # told by whoever reads it into memory


def why_in_memory(file: Path) -> str:
    """Return why a file is read into memory however large it is; empty if a large one is not."""
    if file.suffix.lower() not in TEXTS:
        return ""
    with file.open("rb") as stream:
        start = stream.read(4096)
    if not json.detect_encoding(start[:4]).startswith("utf-8"):
        return "it is not UTF-8"
    array = file.suffix.lower() in LINES and start.removeprefix(BOM_UTF8).lstrip()[:1] != b"{"
    return "it is a JSON array" if array else ""


def tell_of_memory(file: Path) -> str:
    """Return a line about a large file that was read into memory; empty for others."""
    size = file.stat().st_size
    why = why_in_memory(file) if size > IN_MEMORY else ""
    if not why:
        return ""
    return (
        f"{file}: all {size / GB:,.1f} GB of it are in memory, as {why}; JSON lines in UTF-8 would "
        "stay on disk"
    )


def _open_table(file: Path, check: Check) -> "TableStore | None":
    known = Unchanged.of(file)
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
        known: Unchanged,
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
