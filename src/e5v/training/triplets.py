"""What a model is tuned on: triplets of texts, read from files.

CSV | JSON lines | Parquet -> the cells of a row by column -> Triplet, or Broken with its cause

The columns are anchor, positive and perhaps negative, or SimCSE's sent0, sent1 and perhaps
hard_neg; others are ignored. Texts stay as they are. A row without anchor or positive is broken,
one without a negative is not. A row that cannot be used stops nothing and is told, not swallowed.
"""

import csv
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e5v.errors import DataError, first_line
from e5v.extras import imported


@dataclass(frozen=True, slots=True)
class Triplet:
    """A text, another that follows from it, and perhaps a third that does not; none is blank."""

    anchor: str
    positive: str
    negative: str | None


@dataclass(frozen=True)
class Broken:
    """A row that cannot be used.

    `row` counts the rows of data of its file from 1: not a CSV's header, a row of several lines
    once, and blank lines too.
    """

    file: Path
    row: int
    cause: str

    def __str__(self) -> str:
        """Say which row and why, in one line."""
        return f"{self.file}, row {self.row}: {self.cause}"


@dataclass(frozen=True)
class Triplets:
    """The rows of all files, in order: those that can be used, and the broken ones.

    `places[i]` is the place of `rows[i]` among all rows of data, from 0 and broken ones counted:
    there a teacher has what it says of it.
    """

    rows: tuple[Triplet, ...]
    places: tuple[int, ...]
    broken: tuple[Broken, ...]

    @property
    def count(self) -> int:
        """All rows of data, broken ones counted."""
        return len(self.rows) + len(self.broken)


@dataclass(frozen=True)
class _Columns:
    """What the three columns are called."""

    anchor: str
    positive: str
    negative: str


COLUMNS = (
    _Columns("anchor", "positive", "negative"),
    _Columns("sent0", "sent1", "hard_neg"),  # SimCSE's nli_for_simcse.csv
)
SHOWN = 200  # characters of a list of columns in a message; a longer one is no header but data
EXPECTED = "anchor, positive (and negative), or sent0, sent1 (and hard_neg)"


class _Unusable(Exception):
    """Why a row gives no triplet."""


Cells = Mapping[str, Any]  # of one row, by column
Row = Cells | _Unusable


def read_triplets(files: Sequence[Path]) -> Triplets:
    """Read the rows of all files, each in the format that its suffix names.

    Raises:
        DataError: a file cannot be read, is of no known format, has other columns, or no row that
            can be used.
    """
    read = [row for file in files for row in _read(file)]
    rows = {place: row for place, row in enumerate(read) if isinstance(row, Triplet)}
    broken = tuple(row for row in read if isinstance(row, Broken))
    return Triplets(tuple(rows.values()), tuple(rows), broken)


def _read(file: Path) -> list[Triplet | Broken]:
    if file.suffix.lower() not in FORMATS:
        raise DataError(f"{file} is of no known format; expected one of {', '.join(FORMATS)}")
    try:
        read = [_usable(row) for row in FORMATS[file.suffix.lower()](file)]
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or first_line(error)}") from error
    rows = [
        row if isinstance(row, Triplet) else Broken(file, number, str(row))
        for number, row in enumerate(read, 1)
    ]
    if not any(isinstance(row, Triplet) for row in rows):
        first = f"row 1: {read[0]}" if read else "there are none"
        raise DataError(f"{file} has no row that can be used ({first})")
    return rows


def _usable(row: Row) -> Triplet | _Unusable:
    if isinstance(row, _Unusable):
        return row
    try:
        return _triplet(row)
    except _Unusable as cause:
        return cause


def _triplet(cells: Cells) -> Triplet:
    columns = _find_columns(cells)
    if columns is None:
        raise _Unusable(f"its columns are {_listed(cells)}; expected {EXPECTED}")
    anchor, positive = _text(cells, columns.anchor), _text(cells, columns.positive)
    for name, text in ((columns.anchor, anchor), (columns.positive, positive)):
        if not text:
            raise _Unusable(f"{name} is empty")
    return Triplet(anchor, positive, _text(cells, columns.negative) or None)


def _find_columns(names: Collection[str]) -> _Columns | None:
    return next((one for one in COLUMNS if one.anchor in names and one.positive in names), None)


def _text(cells: Cells, column: str) -> str:
    """Return the text of a cell, "" where there is none or it is blank."""
    value = cells.get(column)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str | None):
        raise _Unusable(f"{column} is of type {type(value).__name__}; expected text")
    text = value or ""
    try:
        text.encode()
    except (
        UnicodeEncodeError
    ):  # a surrogate: a byte that did not decode, or half of a "\ud83d\ude00"
        raise _Unusable(f"{column} is not valid UTF-8") from None
    return text if text.strip() else ""


def _listed(names: Collection[str]) -> str:
    listed = ascii(", ".join(names) or "none")[1:-1]
    return listed if len(listed) <= SHOWN else f"{listed[:SHOWN]}..."


def _check_columns(file: Path, names: Sequence[str]) -> None:
    if _find_columns(names) is None:
        raise DataError(f"{file}: its columns are {_listed(names)}; expected {EXPECTED}")


def _decoded(file: Path) -> str:
    """Read a file as UTF-8; a byte that is none becomes a surrogate: only its cell is broken."""
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    return text.removeprefix("\ufeff").rstrip("\r\n")


def _csv_rows(file: Path) -> Iterator[Row]:
    text = _decoded(file)
    limit = csv.field_size_limit(len(text) + 1)  # the module's own, 128 KiB, is no limit of ours
    try:
        records = _records(list(io.StringIO(text, newline="")))
        header = next(records, [])
        if isinstance(header, _Unusable):
            raise DataError(f"{file}: {header}")
        names = [name.strip() for name in header]
        _check_columns(file, names)
        for record in records:
            yield _cells(record, names)
    finally:
        csv.field_size_limit(limit)


def _records(lines: list[str]) -> Iterator[list[str] | _Unusable]:
    """Split lines into records. A quote that is never closed breaks its own line, not the rest."""
    at = 0
    while at < len(lines):
        reader = csv.reader(map(lines.__getitem__, range(at, len(lines))), strict=True)
        try:
            record = next(reader)
        except csv.Error as error:
            yield _Unusable(f"line {at + 1} is not valid CSV: {error}")
            at += 1
        else:
            yield record
            at += reader.line_num


def _cells(record: list[str] | _Unusable, names: list[str]) -> Row:
    if isinstance(record, _Unusable):
        return record
    if not record:
        return _Unusable("the row is empty")
    if len(record) != len(names):  # a comma outside quotes would shift or cut the texts
        return _Unusable(f"{len(record)} cells; expected {len(names)}, as in the header")
    return dict(zip(names, record, strict=True))


def _json_rows(file: Path) -> Iterator[Row]:
    yield from map(_parsed, _decoded(file).split("\n"))


def _parsed(line: str) -> Row:
    if not line.strip():
        return _Unusable("the row is empty")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _Unusable(f"no JSON object on one line: {getattr(error, 'msg', error)}")
    if not isinstance(value, dict):
        return _Unusable(f"no JSON object on one line: of type {type(value).__name__}")
    return value


def _parquet_rows(file: Path) -> Iterator[Row]:
    with imported("Parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            names = table.schema_arrow.names
            _check_columns(file, names)
            known = {name for columns in COLUMNS for name in vars(columns).values()}
            for batch in table.iter_batches(columns=[name for name in names if name in known]):
                columns = [map(_value, column) for column in batch.columns]
                for values in zip(*columns, strict=True):
                    yield dict(zip(batch.schema.names, values, strict=True))
    except pa.ArrowException as error:
        raise DataError(f"{file} cannot be read as Parquet: {first_line(error)}") from error


def _value(scalar: Any) -> object:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return error.object  # the bytes


FORMATS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _csv_rows,
    ".jsonl": _json_rows,
    ".json": _json_rows,
    ".parquet": _parquet_rows,
}
