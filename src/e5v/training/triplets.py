"""Training data: triplets of items, read from files or given in Python.

CSV | TSV | JSON | JSON lines | Parquet -> the cells of a row -> Triplets, or Broken with its cause

The columns are anchor and positive; SimCSE's sent0 and sent1; or FlagEmbedding's query and pos.
Hard negatives are under negative, neg, hard_neg or hard_negative. Positives and negatives may have
several columns (negative_1, negative_2), or be lists: a row gives one triplet for each positive,
with all its negatives. A cell is a text, a passage of Tevatron's, or an item with an image:
`{"image": path, "text": ...}` (`e5v.training.cells`). Captioned images are triplets, too: an image
with each of its captions; an image and a text together, with each of their targets.

Texts stay as they are. A row without anchor or positive is broken, a row without a negative is not.
Broken rows are skipped and reported; unused columns are reported.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from e5v.errors import DataError, ItemError, UsageError, plural
from e5v.inputs import Item, RawItem, normalise
from e5v.jsonl import listed
from e5v.training.cells import (
    UnusableError,
    as_item,
    looks_like_name,
    read_captioned,
    read_items,
)
from e5v.training.columns import EXPECTED, find_columns, list_names
from e5v.training.contents import Content, read_contents
from e5v.training.data_files import DataRow, Unit, read_rows


@dataclass(frozen=True, slots=True)
class Triplet:
    """An anchor, a positive that belongs to it, and any hard negatives.

    Each is an item as `E5V.encode` takes it: an image (Path, PIL image, bytes) or a mixture
    (`{"image": ..., "text": ...}`); but a string is always a text.
    """

    anchor: RawItem
    positive: RawItem
    negatives: tuple[RawItem, ...] = ()

    def __post_init__(self) -> None:
        """Check that the negatives are several items: one string would be many texts.

        Raises:
            UsageError: they are not a tuple or a list.
        """
        if not isinstance(self.negatives, tuple | list):
            kind = type(self.negatives).__name__
            raise UsageError(f"negatives is of type {kind}; expected a tuple of items")

    @property
    def items(self) -> tuple[RawItem, ...]:
        """The anchor, the positive and the negatives."""
        return (self.anchor, self.positive, *self.negatives)


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
class Source:
    """A source of rows, such as a file: its name, and how many of its rows can be used."""

    name: str
    size: int


@dataclass(frozen=True)
class Triplets:
    """The rows of all files, in order: those that can be used, and the broken ones.

    `places[i]` is the index of `rows[i]` among all rows of data, broken ones included; a row with
    several positives counts once for each. A teacher's file uses the same indices. `notes` name
    the unused columns of each file. `content` is a digest of all rows, images included.
    `sources` are the files, in order; their sizes add up to the number of rows.
    """

    rows: tuple[Triplet, ...]
    places: tuple[int, ...]
    broken: tuple[Broken, ...]
    notes: tuple[str, ...] = ()
    content: str = field(default="", compare=False)
    sources: tuple[Source, ...] = field(default=(), compare=False)

    @property
    def count(self) -> int:
        """The number of rows of data, broken ones included."""
        return len(self.rows) + len(self.broken)

    @cached_property
    def items_with_images(self) -> tuple[Item, ...]:
        """All items that have an image."""
        items = (item for row in self.rows for item in row.items if not isinstance(item, str))
        return tuple(item for item in map(as_item, items) if item.images)


def collect_triplets(rows: Iterable[Triplet]) -> Triplets:
    """Check triplets that are given in Python.

    Raises:
        DataError: there is none, or an item cannot be used; names its row.
    """
    checked = tuple(_check_triplet(row, number) for number, row in enumerate(rows, 1))
    if not checked:
        raise DataError("the data has no rows; give one or more triplets", argument="data")
    contents = read_contents([row.items for row in checked])
    for number, content in enumerate(contents, 1):
        if content.fault:
            raise DataError(f"row {number} of the data: {content.fault}", argument="data")
    return Triplets(
        checked,
        tuple(range(len(checked))),
        (),
        content=_join_digests(contents),
        sources=(Source("the data", len(checked)),),
    )


def _check_triplet(row: Triplet, number: int) -> Triplet:
    if not isinstance(row, Triplet):
        raise DataError(
            f"row {number} of the data is of type {type(row).__name__}; expected Triplet",
            argument="data",
        )
    anchor, positive, *negatives = (_check_item(item, number) for item in row.items)
    return Triplet(anchor, positive, tuple(negatives))


def _check_item(raw: RawItem, number: int) -> RawItem:
    """Return an item that needs no further check; a text alone as a string."""
    try:
        item = normalise({"text": raw} if isinstance(raw, str) else raw)
    except ItemError as error:
        raise DataError(f"row {number} of the data: {error.cause}", argument="data") from None
    if not item.parts or item.system is not None:
        cause = "is empty" if not item.parts else "has a system turn, which is not trained on"
        raise DataError(f"row {number} of the data {cause}", argument="data")
    return item.texts[0] if len(item.parts) == 1 and item.texts else item


def _join_digests(contents: Iterable[Content]) -> str:
    """Return a digest of all rows that can be used."""
    return blake2b(b"".join(one.digest for one in contents), digest_size=16).hexdigest()


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
        _join_digests(content for one in read for content in one.contents),
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
    if columns.captioned:
        captioned = read_captioned(cells, folder)
        return [Triplet(captioned.anchor, one, negatives) for one in captioned.positives]
    anchor = cells[columns.anchor]
    if not isinstance(anchor, str | bytes | dict | None):
        raise UnusableError(f"{columns.anchor} is of type {type(anchor).__name__}; expected text")
    anchors = read_items(cells, (columns.anchor,), folder)
    positives = read_items(cells, columns.positives, folder)
    for name, items in ((columns.anchor, anchors), (columns.positives[0], positives)):
        if not items:
            raise UnusableError(f"{name} is empty")
    return [Triplet(anchors[0], one, negatives) for one in positives]


def _check_columns(file: Path, names: Collection[str]) -> Collection[str]:
    """Return the columns of a file that are used."""
    if find_columns(names) is None:
        raise DataError(f"{file}: its columns are {list_names(names)}; expected {EXPECTED}")
    return _used_columns(names)


def _used_columns(names: Collection[str]) -> Collection[str]:
    columns = find_columns(names)
    return columns.names if columns else ()
