"""Rows of an index that are held back, so that one commit can write them all.

rows, some at a time -> .held/NUMBER.arrow, a file for each -> read by number, like those of a table
                     -> batches in order -> one commit of the table; the files are removed

Nobody but their writer sees them: what a killed writer left is removed by the next. So they are
not flushed to disk.
"""

import shutil
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.extras import imported
from e5v.search.entry_table import Table
from e5v.search.table_rows import VECTOR

with imported("an index"):
    import pyarrow as pa
    import pyarrow.compute as pc

FOLDER = ".held"  # in that of the index


class HeldRows:
    """Rows with consecutive numbers from `first`.

    `gone` are the numbers of all records that were removed meanwhile, held or not.
    """

    def __init__(self, folder: Path, first: int) -> None:
        self.first = first
        self.gone: set[int] = set()
        self._folder = folder / FOLDER
        self._starts: list[int] = []  # the first number of each file
        discard(folder)
        self._folder.mkdir()

    def add(self, rows: pa.Table) -> None:
        """Hold rows whose numbers follow those so far."""
        [start] = rows["row"][:1].to_pylist()
        with (
            pa.OSFile(str(self._find(start)), "wb") as file,
            pa.ipc.new_file(file, rows.schema) as target,
        ):
            target.write_table(rows.combine_chunks())
        self._starts.append(start)

    def _find(self, start: int) -> Path:
        return self._folder / f"{start}.arrow"

    def _open(self, start: int) -> pa.Table:
        """Map the rows of a file."""
        with pa.memory_map(str(self._find(start))) as file:
            return pa.ipc.open_file(file).read_all()

    def has(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which numbers are of rows that are held, and not in the table."""
        held: NDArray[np.bool_] = numbers >= self.first
        return held

    def read(self, numbers: NDArray[np.int64], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of rows by number, in the order given."""
        found: list[dict[str, Any]] = []
        for rows in self._take(numbers):
            found += rows.select(list(columns)).to_pylist()
        return found

    def read_vectors(self, numbers: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the vectors (n, d) of rows by number, in the order given."""
        return np.concatenate([take_vectors(rows) for rows in self._take(numbers)])

    def _take(self, numbers: NDArray[np.int64]) -> Iterator[pa.Table]:
        """Yield rows by number in the order given, those of one file together."""
        places = [bisect_right(self._starts, int(one)) - 1 for one in numbers]
        ends = [*np.flatnonzero(np.diff(places)) + 1, len(places)]
        begin = 0
        for end in ends if places else ():
            start = self._starts[places[begin]]
            yield self._open(start).take(pa.array(numbers[begin:end] - start))
            begin = end

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows that are not gone, in order."""
        gone = pa.array(sorted(one for one in self.gone if one >= self.first), pa.int64())
        for start in self._starts:
            rows = self._open(start)
            kept = rows.filter(pc.invert(pc.is_in(rows["row"], gone))) if len(gone) else rows
            yield from kept.combine_chunks().to_batches()


def read_rows(
    table: Table, held: HeldRows | None, numbers: NDArray[np.int64], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Return columns of records by number, in the order given, held back or not."""
    if held is None:
        return table.read(numbers, columns)
    are_held = held.has(numbers)
    new = iter(held.read(numbers[are_held], columns))
    old = iter(table.read(numbers[~are_held], columns))
    return [next(new if one else old) for one in are_held.tolist()]


def read_vectors(
    table: Table, held: HeldRows | None, numbers: NDArray[np.int64]
) -> NDArray[np.float16]:
    """Return the vectors (n, d) of records by ascending number, held back or not; there are any."""
    if held is None:
        return table.read_vectors(numbers)
    are_held = held.has(numbers)
    old = [table.read_vectors(numbers[~are_held])] if not are_held.all() else []
    new = [held.read_vectors(numbers[are_held])] if are_held.any() else []
    return np.concatenate(old + new)


def take_vectors(rows: pa.Table | pa.RecordBatch) -> NDArray[np.float16]:
    """Return the vectors (n, d) of rows."""
    column = rows[VECTOR]
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    flat: NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(rows), -1)


def discard(folder: Path) -> None:
    """Remove the rows that are held back in an index folder, if there are any."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
