"""Rows of large text files that stay on disk: JSON lines, CSV and TSV in UTF-8.

file -> one pass, the byte at which every row begins -> any row at any time, if nothing has changed
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from e5v.errors import DataError
from e5v.jsonl import LineFault, read_line
from e5v.training.csv_records import (
    DELIMITERS,
    Record,
    make_row,
    make_rows,
    read_header,
    split_lines,
    split_records,
)
from e5v.training.data_files import json_row
from e5v.training.data_row import Check, DataRow


@dataclass(frozen=True)
class Unchanged:
    """A file that must stay as it is, with the size and time it had when it was first opened."""

    file: Path
    size: int
    time: int

    @classmethod
    def of(cls, file: Path) -> "Unchanged":
        """Return a file as it is now."""
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

    def open(self) -> BinaryIO:
        """Open it.

        Raises:
            DataError: it cannot be read.
        """
        try:
            return self.file.open("rb")
        except OSError as error:
            raise DataError(f"{self.file} cannot be read: {error.strerror}") from None


class LineStore:
    """JSON lines by their byte offsets."""

    groups: Sequence[int] = ()
    together: int = 1

    def __init__(self, known: Unchanged) -> None:
        self._known = known

    def rows(self) -> Iterator[DataRow]:
        """Read all lines; `key` is the byte at which a line begins."""
        number = start = 0
        with self._known.open() as stream:
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
        with self._known.open() as stream:
            stream.seek(key)
            line = stream.readline().splitlines()[0]
        row = _line_row(0, line, key)
        assert row is not None
        return row


def _line_row(number: int, line: bytes, key: int) -> DataRow | None:
    read = read_line(number, line)
    if isinstance(read, LineFault):
        return DataRow(number, {}, read.reason, "line", key)
    return None if read is None else json_row(number, read.value, "line", key)


class CsvStore:
    """CSV or TSV by the byte at which every record begins; a record may have several lines.

    Raises:
        DataError: it has no header, or its columns are not known.
    """

    groups: Sequence[int] = ()
    together: int = 1

    def __init__(self, known: Unchanged, check: Check) -> None:
        self._known = known
        with known.open() as stream:
            self._names = read_header(known.file, self._split(stream))
        check(known.file, self._names)

    def rows(self) -> Iterator[DataRow]:
        """Read all rows; `key` is the byte at which a row begins."""
        with self._known.open() as stream:
            records = self._split(stream)
            next(records, None)  # the header
            yield from make_rows(records, self._names)

    def read(self, key: int) -> DataRow:
        """Read the row that begins at a byte."""
        self._known.check()
        with self._known.open() as stream:
            stream.seek(key)
            return make_row(next(self._split(stream, key)), self._names)

    def _split(self, stream: BinaryIO, start: int = 0) -> Iterator[Record]:
        delimiter = DELIMITERS[self._known.file.suffix.lower()]
        return split_records(split_lines(stream, start), delimiter)
