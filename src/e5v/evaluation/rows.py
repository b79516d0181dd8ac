"""Files of data, row by row: a row that cannot be used is an error, never skipped.

file -> rows and their places ("line 3") -> converted by the source -> all of them
                                         -> Wrong, and why          -> one DataError

Skipping rows would change the benchmark.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from e5v.errors import DataError, first_line, plural
from e5v.jsonl import LineFault, Wrong, find_surrogate, listed, parse_file

NAMED = 3  # wrong rows that an error names

Raw = TypeVar("Raw")
Made = TypeVar("Made")


class Numbered(Protocol):
    """A line of a file, counted from 1."""

    @property
    def number(self) -> int:
        """The number of the line."""


Line = TypeVar("Line", bound=Numbered)


@dataclass(frozen=True)
class Row:
    """The values of one row by key. Of several keys, the first that is present counts.

    All methods raise `Wrong` if a value is missing or of another type.
    """

    cells: Mapping[str, object]

    @classmethod
    def of(cls, value: object) -> "Row":
        """Take an object of a JSON file as a row."""
        if not isinstance(value, dict):
            raise Wrong(f"is a {type(value).__name__}; expected an object")
        return cls(value)

    def has(self, key: str) -> bool:
        """Return whether there is a value."""
        return self.cells.get(key) is not None

    def string(self, key: str) -> str:
        """Return a string, perhaps an empty one."""
        return _check_string(key, self._find([key])[1])

    def strings(self, key: str) -> tuple[str, ...]:
        """Return the strings of a list, perhaps empty ones."""
        return tuple(_check_string(key, one) for one in _convert_list(key, self._find([key])[1]))

    def text(self, *keys: str) -> str:
        """Return a text that is not blank."""
        key, value = self._find(keys)
        return _check_text(key, value)

    def texts(self, *keys: str) -> tuple[str, ...]:
        """Return the texts of a list, or a single text; at least one."""
        key, value = self._find(keys)
        return tuple(_check_text(key, one) for one in _convert_list(key, value))

    def name(self, key: str) -> str:
        """Return a name or number as a string."""
        return _convert_name(key, self._find([key])[1])

    def names(self, key: str) -> tuple[str, ...]:
        """Return the names or numbers of a list, or a single one, as strings."""
        value = self._find([key])[1]
        return tuple(_convert_name(key, one) for one in _convert_list(key, value))

    def row(self, key: str) -> "Row":
        """Return an object inside the row."""
        value = self._find([key])[1]
        if not isinstance(value, dict):
            raise Wrong(f'has "{key}" of type {type(value).__name__}; expected an object')
        return Row(value)

    def _find(self, keys: Sequence[str]) -> tuple[str, object]:
        for key in keys:
            if self.cells.get(key) is not None:
                return key, self.cells[key]
        raise Wrong(f'has no "{keys[0]}"; it has {listed(self.cells)}')


def _convert_list(key: str, value: object) -> Sequence[object]:
    several = value if isinstance(value, list | tuple) else [value]
    if not several:
        raise Wrong(f'has an empty list as "{key}"')
    return several


def _check_string(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise Wrong(f'has "{key}" of type {type(value).__name__}; expected a string')
    if find_surrogate(value) is not None:
        raise Wrong(f'has half a surrogate pair in "{key}"')
    return value


def _check_text(key: str, value: object) -> str:
    text = _check_string(key, value)
    if not text.strip():
        raise Wrong(f'has an empty "{key}"')
    return text


def _convert_name(key: str, value: object) -> str:
    number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if number else _check_text(key, value)


def make_each(
    source: object, rows: Iterable[tuple[str, Raw]], make: Callable[[Raw], Made]
) -> list[Made]:
    """Convert every row of a source with `make`; rows come with their places.

    Raises:
        DataError: there are no rows, or some are wrong; counts them and names the first.
    """
    made: list[Made] = []
    wrong: list[str] = []
    for place, row in rows:
        try:
            made.append(make(row))
        except Wrong as cause:
            wrong.append(f"{place} {cause}")
    if wrong:
        named = "; ".join(wrong[:NAMED]) + ("; ..." if len(wrong) > NAMED else "")
        count = f"{len(wrong)} of {plural(len(wrong) + len(made), 'row')}"
        raise DataError(f"{source}: {count} cannot be used ({named}); fix or remove them")
    if not made:
        raise DataError(f"{source} has no rows; expected at least one")
    return made


def make_each_line(
    file: Path, lines: Iterable[Line | LineFault], make: Callable[[Line], Made]
) -> list[Made]:
    """Convert every line of a file with `make`.

    Raises:
        DataError: the file cannot be read, is empty, or has wrong lines.
    """

    def make_or_refuse(line: Line | LineFault) -> Made:
        if isinstance(line, LineFault):
            raise Wrong(line.reason)
        return make(line)

    try:
        places = ((f"line {line.number}", line) for line in lines)
        return make_each(file, places, make_or_refuse)
    except OSError as error:
        raise _make_read_error(file, error) from None


def read_json_list(file: Path, make: Callable[[Row], Made]) -> list[Made]:
    """Convert every object of a JSON file that is one list; the first is entry 1.

    Raises:
        DataError: the file cannot be read, is not a list, is empty, or has wrong rows.
    """
    values = read_json(file)
    if not isinstance(values, list):
        raise DataError(f"{file} contains a {type(values).__name__}; expected a list of objects")
    entries = ((f"entry {number}", value) for number, value in enumerate(values, 1))
    return make_each(file, entries, lambda value: make(Row.of(value)))


def read_json(file: Path) -> object:
    """Read a JSON file.

    Raises:
        DataError: it cannot be read or is not JSON; says where.
    """
    try:
        return parse_file(file)
    except OSError as error:
        raise _make_read_error(file, error) from None
    except Wrong as wrong:
        raise DataError(f"{file} {wrong}") from None


def digest(files: Iterable[Path]) -> str:
    """Return a digest of files: the start of the SHA-256 of all their bytes.

    Raises:
        DataError: a file cannot be read.
    """
    whole = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as stream:
                whole.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise _make_read_error(file, error) from None
    return f"sha256:{whole.hexdigest()[:12]}"


def _make_read_error(file: Path, error: OSError) -> DataError:
    return DataError(f"{file} cannot be read: {error.strerror or first_line(error)}")
