"""Training data: triplets of texts, read from files.

CSV | TSV | JSON | JSON lines | Parquet -> the cells of a row -> Triplets, or Broken with its cause

The columns are anchor and positive; SimCSE's sent0 and sent1; or FlagEmbedding's query and pos.
Hard negatives are under negative, neg, hard_neg or hard_negative. Positives and negatives may have
several columns (negative_1, negative_2), or be lists of texts or of Tevatron's passages: a row
gives one triplet for each positive, with all its negatives. Texts stay as they are. A row without
anchor or positive is broken, a row without a negative is not. Broken rows are skipped and reported;
unused columns are reported.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from e5v.errors import DataError
from e5v.jsonl import listed, undecoded
from e5v.training.data_files import DataRow, Unit, read_rows


@dataclass(frozen=True, slots=True)
class Triplet:
    """An anchor, a positive that follows from it, and any hard negatives; none is blank."""

    anchor: str
    positive: str
    negative: str | None
    more_negatives: tuple[str, ...] = field(default=(), repr=False)

    @property
    def negatives(self) -> tuple[str, ...]:
        """All hard negatives, in the order of the row."""
        return (self.negative, *self.more_negatives) if self.negative else ()


@dataclass(frozen=True)
class Broken:
    """A row that cannot be used.

    `row` counts the rows of the file from 1: a CSV's header does not count, a row of several lines
    counts once, and blank lines count. For JSON lines it is the line number.
    """

    file: Path
    row: int
    cause: str
    unit: Unit = "row"

    def __str__(self) -> str:
        """Say which row and why, in one line."""
        return f"{self.file}, {self.unit} {self.row}: {self.cause}"


@dataclass(frozen=True)
class Triplets:
    """The rows of all files, in order: those that can be used, and the broken ones.

    `places[i]` is the index of `rows[i]` among all rows of data, broken ones included; a row with
    several positives counts once for each. A teacher's file uses the same indices. `notes` name
    the unused columns of each file.
    """

    rows: tuple[Triplet, ...]
    places: tuple[int, ...]
    broken: tuple[Broken, ...]
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """The number of rows of data, broken ones included."""
        return len(self.rows) + len(self.broken)


@dataclass(frozen=True)
class _Columns:
    """The columns of a row that are used, and for what."""

    anchor: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...]


POSITIVE = re.compile(r"pos(itive)?s?[ _-]?\d*|positive_passages", re.IGNORECASE)
NEGATIVE = re.compile(r"(hard[ _-]?)?neg(ative)?s?[ _-]?\d*|negative_passages", re.IGNORECASE)
ANCHORS = {
    "anchor": POSITIVE,
    "sent0": re.compile("sent1"),  # SimCSE's nli_for_simcse.csv
    "query": POSITIVE,  # FlagEmbedding, Tevatron, sentence-transformers
}
EXPECTED = "anchor and positive (and negative), sent0 and sent1 (and hard_neg), or query and pos"
SHOWN = 200  # characters of a list of columns in a message; a longer one is likely data


class _Unusable(Exception):
    """The reason why a row gives no triplet."""


Cells = Mapping[str, Any]  # of one row, by column


def read_triplets(files: Sequence[Path]) -> Triplets:
    """Read the rows of all files, each in the format of its suffix.

    Raises:
        DataError: a file cannot be read, its format is not supported, its columns are not known,
            or none of its rows can be used.
    """
    read = [(file, _read_file(file)) for file in files]
    rows = [row for _, of_file in read for row in of_file.rows]
    places = [place for place, row in enumerate(rows) if isinstance(row, Triplet)]
    return Triplets(
        tuple(row for row in rows if isinstance(row, Triplet)),
        tuple(places),
        tuple(row for row in rows if isinstance(row, Broken)),
        tuple(
            f"{file}: ignored columns: {listed(of_file.ignored)}"
            for file, of_file in read
            if of_file.ignored
        ),
    )


@dataclass(frozen=True)
class _File:
    """The rows of one file, and its unused columns."""

    rows: list[Triplet | Broken]
    ignored: list[str]


def _read_file(file: Path) -> _File:
    rows: list[Triplet | Broken] = []
    ignored: dict[str, None] = {}
    for row in read_rows(file, _check_columns):
        try:
            rows += _parse_row(row)
        except _Unusable as cause:
            rows.append(Broken(file, row.number, str(cause), row.unit))
        else:
            used = _used_columns(row.cells)
            ignored |= {name: None for name in row.cells if name not in used}
    if not any(isinstance(row, Triplet) for row in rows):
        first = str(rows[0]).removeprefix(f"{file}, ") if rows else "it has no rows"
        raise DataError(f"{file} has no usable row ({first})")
    return _File(rows, list(ignored))


def _parse_row(row: DataRow) -> list[Triplet]:
    if row.fault:
        raise _Unusable(row.fault)
    cells = row.cells
    columns = _find_columns(cells)
    if columns is None:
        raise _Unusable(f"its columns are {_list_names(cells)}; expected {EXPECTED}")
    anchor = cells[columns.anchor]
    if not isinstance(anchor, str | bytes | None):
        raise _Unusable(f"{columns.anchor} is of type {type(anchor).__name__}; expected text")
    anchors = _parse_texts(cells, (columns.anchor,))
    positives = _parse_texts(cells, columns.positives)
    negatives = _parse_texts(cells, columns.negatives)
    for name, texts in ((columns.anchor, anchors), (columns.positives[0], positives)):
        if not texts:
            raise _Unusable(f"{name} is empty")
    negative = negatives[0] if negatives else None
    return [Triplet(anchors[0], one, negative, tuple(negatives[1:])) for one in positives]


def _find_columns(names: Collection[str]) -> _Columns | None:
    return _find_columns_of(tuple(names))


@lru_cache(maxsize=100)
def _find_columns_of(names: tuple[str, ...]) -> _Columns | None:
    for anchor, positive in ANCHORS.items():
        positives = _matching(positive, names)
        if anchor in names and positives:
            return _Columns(anchor, positives, _matching(NEGATIVE, names))
    return None


def _matching(pattern: re.Pattern[str], names: Collection[str]) -> tuple[str, ...]:
    """Return the columns that match, numbered ones by number."""
    found = [name for name in names if pattern.fullmatch(name)]
    return tuple(sorted(found, key=lambda name: int(re.sub(r"\D", "", name) or 0)))


def _parse_texts(cells: Cells, columns: Sequence[str]) -> list[str]:
    """Return the texts of some cells, without missing and blank ones."""
    several = [(column, cells[column]) for column in columns]
    texts = [
        _parse_text(column, one)
        for column, value in several
        for one in (value if isinstance(value, list) else [value])
    ]
    return [text for text in texts if text]


def _parse_text(column: str, value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("text"), str):  # a Tevatron passage
        value = f"{value.get('title') or ''} {value['text']}".strip()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str | None):
        raise _Unusable(f"{column} is of type {type(value).__name__}; expected text")
    text = value or ""
    if reason := undecoded(text):  # a byte that did not decode, or half of a "\ud83d\ude00"
        raise _Unusable(f"{column} {reason}")
    return text if text.strip() else ""


def _list_names(names: Collection[str]) -> str:
    line = ascii(", ".join(names) or "none")[1:-1]
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."


def _check_columns(file: Path, names: Collection[str]) -> Collection[str]:
    """Return the columns of a file that are used."""
    if _find_columns(names) is None:
        raise DataError(f"{file}: its columns are {_list_names(names)}; expected {EXPECTED}")
    return _used_columns(names)


def _used_columns(names: Collection[str]) -> Collection[str]:
    columns = _find_columns(names)
    return (columns.anchor, *columns.positives, *columns.negatives) if columns else ()
