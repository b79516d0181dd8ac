"""Captioned images in Parquet files, as the hub stores them.

files -> captions, all at once
      -> encoded images, a row group in memory at a time
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from e5v.errors import DataError
from e5v.evaluation.image_files import Captioned, Lazy
from e5v.evaluation.rows import Row, make_each
from e5v.inputs import RawItem
from e5v.jsonl import listed
from e5v.parquet import open_parquet

IMAGE, TEXT = "image", "text"  # columns


@dataclass(frozen=True)
class _ImageTable:
    """A file: the captions of its rows, and how many rows are in each of its row groups."""

    path: Path
    captions: Sequence[tuple[str, ...]]
    sizes: Sequence[int]


@dataclass(frozen=True)
class _Group:
    """A row group: the `number`-th of its file, after `first` rows."""

    path: Path
    number: int
    first: int


def read_tables(paths: Sequence[Path]) -> Captioned:
    """Read Parquet files with the columns image and text as one data set.

    Raises:
        DataError: a file is not Parquet, lacks a column, or has a row without a caption.
    """
    files = [_read_file(path) for path in paths]
    captions = [own for file in files for own in file.captions]
    return Captioned(Lazy(len(captions), _Images(files)), captions)


class _Images:
    """Reads the image of a row; the row group that was read last stays in memory."""

    def __init__(self, files: Sequence[_ImageTable]) -> None:
        self._groups = [
            _Group(file.path, number, sum(file.sizes[:number]))
            for file in files
            for number in range(len(file.sizes))
        ]
        self._starts = [*accumulate((size for file in files for size in file.sizes), initial=0)]
        self._last: tuple[int, list[object]] = (-1, [])

    def __call__(self, place: int) -> RawItem:
        index = bisect_right(self._starts, place) - 1
        group = self._groups[index]
        number, cells = self._last
        if number != index:
            with open_parquet(group.path) as table:
                cells = table.read_row_group(group.number, columns=[IMAGE])[IMAGE].to_pylist()
            self._last = index, cells
        row = place - self._starts[index]
        return encoded(cells[row], f"{group.path}, row {group.first + row + 1}")


def encoded(cell: object, place: str) -> bytes:
    """Return an image's bytes from its cell: the bytes, or {"bytes": ..., "path": ...}.

    Raises:
        DataError: the cell has none.
    """
    value = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(value, bytes):
        raise DataError(f"{place} has no encoded image in its image column")
    return value


def _read_file(path: Path) -> _ImageTable:
    with open_parquet(path) as table:
        names = table.schema_arrow.names
        if not {IMAGE, TEXT}.issubset(names):
            raise DataError(f"{path} has the columns {listed(names)}; expected {IMAGE} and {TEXT}")
        cells = table.read(columns=[TEXT])[TEXT].to_pylist()
        sizes = [table.metadata.row_group(n).num_rows for n in range(table.num_row_groups)]
    rows = ((f"row {number}", Row({TEXT: cell})) for number, cell in enumerate(cells, 1))
    return _ImageTable(path, make_each(path, rows, lambda row: row.texts(TEXT)), sizes)
