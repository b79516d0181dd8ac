"""Rows of data files, each with its cells by column.

CSV | TSV | JSON | JSON lines | Parquet -> DataRow, with its cells or why it has none
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e5v.errors import DataError, first_line
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
from e5v.training.csv_records import DELIMITERS, make_rows, read_header, split_records
from e5v.training.data_row import Check, DataRow, Unit

if TYPE_CHECKING:
    from pyarrow import Scalar


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


def _csv_rows(file: Path, check: Check) -> Iterator[DataRow]:
    text = io.StringIO(read_text(file), newline="")
    records = split_records(((0, line) for line in text), DELIMITERS[file.suffix.lower()])
    names = read_header(file, records)
    check(file, names)
    yield from make_rows(records, names)


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
    ".tsv": _csv_rows,
    ".jsonl": _json_rows,
    ".json": _json_rows,
    ".parquet": _parquet_rows,
}
