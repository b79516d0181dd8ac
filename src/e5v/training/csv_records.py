"""Rows of CSV and TSV files, from memory or from disk.

lines, each with the byte at which it begins -> records, quoted line breaks included -> DataRow
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from e5v.errors import DataError, plural
from e5v.jsonl import BYTE_ORDER_MARK
from e5v.training.data_row import DataRow

DELIMITERS = {".csv": ",", ".tsv": "\t"}
CELL = 16 << 20  # characters of a cell: a quote that is never closed ends here
Line = tuple[int, str]  # the byte at which it begins, and the line with its end


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of a record and the byte at which it begins; or `fault`, why there are none."""

    start: int = 0
    cells: Sequence[str] = ()
    fault: str = ""


def split_lines(raw_lines: Iterable[bytes], start: int = 0) -> Iterator[Line]:
    """Yield lines of UTF-8 that begin at a byte; a byte that is none becomes a lone surrogate."""
    for raw in raw_lines:
        for line in raw.splitlines(keepends=True):  # at "\r", too
            text = line.decode("utf-8", "surrogateescape")
            yield start, text if start else text.removeprefix(BYTE_ORDER_MARK)
            start += len(line)


def split_records(lines: Iterable[Line], delimiter: str) -> Iterator[Record]:
    """Split lines into records. An unclosed quote makes its own line unusable, not the rest."""
    source, again = iter(lines), deque[Line]()
    number = 1
    while True:
        taken: list[Line] = []
        reader = csv.reader(_take(source, again, taken), strict=True, delimiter=delimiter)
        try:
            with _wide_cells():
                cells = next(reader, None)
        except csv.Error as error:
            again.extendleft(reversed(taken[1:]))
            yield Record(taken[0][0], fault=f"line {number} is not valid CSV: {error}")
            number += 1
        else:
            if cells is None:
                return
            yield Record(taken[0][0], cells)
            number += len(taken)


def _take(source: Iterator[Line], again: "deque[Line]", taken: list[Line]) -> Iterator[str]:
    """Yield lines, first those that are read again, and write down which were taken."""
    while line := again.popleft() if again else next(source, None):
        taken.append(line)
        yield line[1]


@contextmanager
def _wide_cells() -> Iterator[None]:
    """Take cells of more than 128 KiB, the limit of the module csv."""
    before = csv.field_size_limit(CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def read_header(file: Path, records: Iterator[Record]) -> list[str]:
    """Return the names of the columns, which are the first record.

    Raises:
        DataError: it is not valid.
    """
    header = next(records, Record())
    if header.fault:
        raise DataError(f"{file}: {header.fault}")
    return [name.strip() for name in header.cells]


def make_rows(records: Iterable[Record], names: Sequence[str]) -> Iterator[DataRow]:
    """Yield the rows of the records after the header, but for blank ones at the end."""
    blank: list[DataRow] = []
    for number, record in enumerate(records, 1):
        row = make_row(record, names, number)
        if not record.cells and not record.fault:
            blank.append(row)
            continue
        yield from blank
        blank.clear()
        yield row


def make_row(record: Record, names: Sequence[str], number: int = 0) -> DataRow:
    """Return the row of a record, or why it is none."""
    fault = _why_unusable(record, names)
    cells = {} if fault else dict(zip(names, record.cells, strict=True))
    return DataRow(number, cells, fault, key=record.start)


def _why_unusable(record: Record, names: Sequence[str]) -> str:
    if record.fault:
        return record.fault
    if not record.cells:
        return "the row is empty"
    if len(record.cells) != len(names):  # a comma outside quotes would shift or cut the texts
        return f"{plural(len(record.cells), 'cell')}; expected {len(names)}, as in the header"
    return ""
