"""Rows of data files, each with its cells by column.

CSV | TSV | JSON | JSON lines | Parquet -> DataRow, with its cells or why it has none
"""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from e5v.errors import DataError, first_line, plural
from e5v.jsonl import (
    LineFault,
    TextLine,
    Wrong,
    parse,
    parse_file,
    read_json_lines,
    read_text,
    read_text_lines,
)
from e5v.parquet import open_parquet

if TYPE_CHECKING:
    from pyarrow import Scalar

Unit = Literal["row", "line"]
Check = Callable[[Path, Collection[str]], Collection[str]]


@dataclass(frozen=True, slots=True)
class DataRow:
    """A row of data, counted from 1: a CSV's header does not count, its blank lines do.

    For JSON lines, `number` is the line number. `fault` says why there are no cells. `key` finds
    the row again if it stays on disk (`e5v.training.stored_rows`).
    """

    number: int
    cells: Mapping[str, Any]
    fault: str = ""
    unit: Unit = "row"
    key: int = 0


def read_rows(file: Path, check: Check) -> Iterator[DataRow]:
    """Read a file in the format of its suffix.

    `check` takes the column names of a file with a header and returns those to read.

    Raises:
        DataError: the file cannot be read, or its format is not supported.
    """
    if file.suffix.lower() not in FORMATS:
        raise DataError(f"{file} has no supported format; expected one of {', '.join(FORMATS)}")
    try:
        yield from FORMATS[file.suffix.lower()](file, check)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or first_line(error)}") from error
    except Wrong as wrong:
        raise DataError(f"{file} {wrong}") from None


def _tsv_rows(file: Path, check: Check) -> Iterator[DataRow]:
    return _csv_rows(file, check, delimiter="\t")


def _csv_rows(file: Path, check: Check, *, delimiter: str = ",") -> Iterator[DataRow]:
    text = read_text(file).rstrip("\r\n")
    limit = csv.field_size_limit(len(text) + 1)  # the default of 128 KiB is too small
    try:
        records = _records(list(io.StringIO(text, newline="")), delimiter)
        header = next(records, [])
        if isinstance(header, str):
            raise DataError(f"{file}: {header}")
        names = [name.strip() for name in header]
        check(file, names)
        for number, record in enumerate(records, 1):
            fault = _why_unusable(record, names)
            cells = {} if fault else dict(zip(names, record, strict=True))
            yield DataRow(number, cells, fault)
    finally:
        csv.field_size_limit(limit)


def _records(lines: list[str], delimiter: str) -> Iterator[list[str] | str]:
    """Split lines into records. An unclosed quote makes its own line unusable, not the rest."""
    at = 0
    while at < len(lines):
        reader = csv.reader(
            map(lines.__getitem__, range(at, len(lines))), strict=True, delimiter=delimiter
        )
        try:
            record = next(reader)
        except csv.Error as error:
            yield f"line {at + 1} is not valid CSV: {error}"
            at += 1
        else:
            yield record
            at += reader.line_num


def _why_unusable(record: list[str] | str, names: list[str]) -> str:
    if isinstance(record, str):
        return record
    if not record:
        return "the row is empty"
    if len(record) != len(names):  # a comma outside quotes would shift or cut the texts
        return f"{plural(len(record), 'cell')}; expected {len(names)}, as in the header"
    return ""


def _json_rows(file: Path, _: Check) -> Iterator[DataRow]:
    """Read JSON lines, or a file that is one JSON array of rows."""
    values = _array(file)
    if values is not None:
        yield from (json_row(number, value, "row") for number, value in enumerate(values, 1))
        return
    for line in read_json_lines(file):
        if isinstance(line, LineFault):
            yield DataRow(line.number, {}, line.reason, "line")
        else:
            yield json_row(line.number, line.value, "line")


def _array(file: Path) -> list[Any] | None:
    """Return the values of a file that is one JSON array; None for JSON lines."""
    first = next(read_text_lines(file), None)
    if not (isinstance(first, TextLine) and first.text.lstrip().startswith("[")):
        return None
    try:
        values: list[Any] = parse_file(file)
    except Wrong:
        if _is_json(first.text):  # JSON lines, the first of which is a list
            return None
        raise
    return values


def _is_json(text: str) -> bool:
    try:
        parse(text)
    except Wrong:
        return False
    return True


def json_row(number: int, value: Any, unit: Unit, key: int = 0) -> DataRow:
    """Return the row of a JSON value, which must be an object."""
    if isinstance(value, dict):
        return DataRow(number, value, unit=unit, key=key)
    fault = f"is of type {type(value).__name__}; expected an object"
    return DataRow(number, {}, fault, unit, key)


def _parquet_rows(file: Path, check: Check) -> Iterator[DataRow]:
    with open_parquet(file) as table:
        names = table.schema_arrow.names
        used = check(file, names)
        count = 0
        for batch in table.iter_batches(columns=[name for name in names if name in used]):
            columns = [map(read_value, column) for column in batch.columns]
            for number, values in enumerate(zip(*columns, strict=True), count + 1):
                read = dict(zip(batch.schema.names, values, strict=True))
                yield DataRow(number, dict.fromkeys(names) | read)
            count += len(batch)


def read_value(scalar: "Scalar") -> object:
    """Return the value of a cell of a table; bytes if it is a text that is not UTF-8."""
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return error.object  # the bytes


FORMATS: dict[str, Callable[[Path, Check], Iterator[DataRow]]] = {
    ".csv": _csv_rows,
    ".tsv": _tsv_rows,
    ".jsonl": _json_rows,
    ".json": _json_rows,
    ".parquet": _parquet_rows,
}
