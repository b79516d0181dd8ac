"""Read triplets from files.

CSV | TSV | JSON | JSON lines | Parquet -> the cells of a row -> Triplets, or Broken with its cause

The columns are anchor and positive; SimCSE's sent0 and sent1; or FlagEmbedding's query and pos.
Hard negatives are under negative, neg, hard_neg or hard_negative. Positives and negatives may have
several columns (negative_1, negative_2), or be lists: a row gives one triplet for each positive,
with all its negatives. The column instruction (query_instruction, or FlagEmbedding's prompt) says
what the anchor is for, positive_instruction (document_instruction) the other side.

A cell is a text, a passage of Tevatron's, or an item with an image: `{"image": path, "text": ...}`
(`e5v.training.cells`). Captioned images are triplets, too: an image with each of its captions; an
image and a text together, with each of their targets.

Texts stay as they are. A row without anchor or positive is broken, a row without a negative is not.
Broken rows are skipped and reported; unused columns are reported.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from e5v.errors import DataError, plural
from e5v.jsonl import listed
from e5v.training.cells import (
    UnusableError,
    looks_like_name,
    read_captioned,
    read_instruction,
    read_items,
)
from e5v.training.columns import EXPECTED, find_columns, list_names
from e5v.training.contents import Content, read_contents
from e5v.training.data_files import DataRow, read_rows
from e5v.training.triplets import Broken, Source, Triplet, Triplets, join_digests


def read_triplets(files: Sequence[Path]) -> Triplets:
    """Read the rows of all files, each in the format of its suffix.

    Raises:
        DataError: a file cannot be read, its format is not supported, its columns are not known,
            or none of its rows can be used.
    """
    read = [_read_file(file) for file in files]
    rows = [row for one in read for row in one.rows]
    return Triplets(
        tuple(row for row in rows if isinstance(row, Triplet)),
        tuple(place for place, row in enumerate(rows) if isinstance(row, Triplet)),
        tuple(row for row in rows if isinstance(row, Broken)),
        tuple(note for one in read for note in one.notes),
        join_digests(content for one in read for content in one.contents),
        _name_sources(files, read),
    )


@dataclass(frozen=True)
class _File:
    """The rows of one file and their contents, and what to note of it."""

    rows: list[Triplet | Broken]
    contents: list[Content]
    notes: list[str]


def _name_sources(files: Sequence[Path], read: Sequence[_File]) -> tuple[Source, ...]:
    """Name each file, by its whole path where two have one name."""
    names = [file.name for file in files]
    shown = [file.name if names.count(file.name) == 1 else str(file) for file in files]
    sizes = [sum(isinstance(row, Triplet) for row in one.rows) for one in read]
    return tuple(map(Source, shown, sizes))


def _read_file(file: Path) -> _File:
    rows: list[Triplet | Broken] = []
    sources: dict[int, DataRow] = {}  # of rows with images
    ignored: dict[str, None] = {}
    for row in read_rows(file, _check_columns):
        try:
            triplets = _parse_row(file, row)
        except UnusableError as cause:
            rows.append(Broken(file, row.number, str(cause), row.unit))
        else:
            used = _used_columns(row.cells)
            ignored |= {name: None for name in row.cells if name not in used}
            mixed = any(not isinstance(item, str) for one in triplets for item in one.items)
            places = range(len(rows), len(rows) + len(triplets)) if mixed else ()
            sources |= dict.fromkeys(places, row)
            rows += triplets
    contents = read_contents([row.items if isinstance(row, Triplet) else () for row in rows])
    for place, content in enumerate(contents):
        if content.fault:
            source = sources[place]
            rows[place] = Broken(file, source.number, content.fault, source.unit)
    if not any(isinstance(row, Triplet) for row in rows):
        first = str(rows[0]).removeprefix(f"{file}, ") if rows else "it has no rows"
        raise DataError(f"{file} has no usable row ({first})")
    notes = [f"{file}: ignored columns: {listed(ignored)}"] if ignored else []
    return _File(rows, contents, notes + _note_image_names(file, rows))


def _note_image_names(file: Path, rows: Sequence[Triplet | Broken]) -> list[str]:
    """Note texts that look like the names of images."""
    items = (item for row in rows if isinstance(row, Triplet) for item in row.items)
    names = [item for item in items if isinstance(item, str) and looks_like_name(item)]
    if not names:
        return []
    texts = plural(len(names), "text")
    return [f"{file}: {texts} named like an image, trained on as text: {listed(names[:3])}"]


def _parse_row(file: Path, row: DataRow) -> list[Triplet]:
    if row.fault:
        raise UnusableError(row.fault)
    cells, folder = row.cells, str(file.parent)
    columns = find_columns(cells)
    if columns is None:
        raise UnusableError(f"its columns are {list_names(cells)}; expected {EXPECTED}")
    negatives = tuple(read_items(cells, columns.negatives, folder))
    asked = [
        read_instruction(cells, name, folder)
        for name in (columns.instruction, columns.positive_instruction)
    ]
    if columns.captioned:
        captioned = read_captioned(cells, folder)
        return [Triplet(captioned.anchor, one, negatives, *asked) for one in captioned.positives]
    anchor = cells[columns.anchor]
    if not isinstance(anchor, str | bytes | dict | None):
        raise UnusableError(f"{columns.anchor} is of type {type(anchor).__name__}; expected text")
    anchors = read_items(cells, (columns.anchor,), folder)
    positives = read_items(cells, columns.positives, folder)
    for name, items in ((columns.anchor, anchors), (columns.positives[0], positives)):
        if not items:
            raise UnusableError(f"{name} is empty")
    return [Triplet(anchors[0], one, negatives, *asked) for one in positives]


def _check_columns(file: Path, names: Collection[str]) -> Collection[str]:
    """Return the columns of a file that are used."""
    if find_columns(names) is None:
        raise DataError(f"{file}: its columns are {list_names(names)}; expected {EXPECTED}")
    return _used_columns(names)


def _used_columns(names: Collection[str]) -> Collection[str]:
    columns = find_columns(names)
    return columns.names if columns else ()
