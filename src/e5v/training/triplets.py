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

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from e5v.captions import FILE_KEYS, IMAGE_KEYS, TEXT_KEYS
from e5v.errors import DataError, ItemError
from e5v.inputs import Item, RawItem, normalise
from e5v.jsonl import listed
from e5v.training.cells import Cells, UnusableError, as_item, read_images, read_items
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

    @cached_property
    def items_with_images(self) -> tuple[Item, ...]:
        """All items that have an image."""
        items = (item for row in self.rows for item in row.items if not isinstance(item, str))
        return tuple(item for item in map(as_item, items) if item.images)


@dataclass(frozen=True)
class _Columns:
    """The columns of a row that are used, and for what.

    `image` is the column of an image, which is the anchor, or with `targets` a part of it.
    """

    anchor: str = ""
    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    image: str = ""
    targets: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        one = (self.image, self.anchor, self.targets)
        return tuple(filter(None, (*one, *self.positives, *self.negatives)))


POSITIVE = re.compile(r"pos(itive)?s?[ _-]?\d*|positive_passages", re.IGNORECASE)
NEGATIVE = re.compile(r"(hard[ _-]?)?neg(ative)?s?[ _-]?\d*|negative_passages", re.IGNORECASE)
ANCHORS = {
    "anchor": POSITIVE,
    "sent0": re.compile("sent1"),  # SimCSE's nli_for_simcse.csv
    "query": POSITIVE,  # FlagEmbedding, Tevatron, sentence-transformers
}
TARGET = "target"
EXPECTED = (
    "anchor and positive (and negative), sent0 and sent1 (and hard_neg), query and pos, "
    "or image and text"
)
SHOWN = 200  # characters of a list of columns in a message; a longer one is likely data


def collect_triplets(rows: Iterable[Triplet]) -> Triplets:
    """Check triplets that are given in Python.

    Raises:
        DataError: there is none, or an item is empty or of an unknown kind; names its row.
    """
    checked = tuple(_check_triplet(row, number) for number, row in enumerate(rows, 1))
    if not checked:
        raise DataError("the data has no rows; give one or more triplets", argument="data")
    return Triplets(checked, tuple(range(len(checked))), ())


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
    alone = len(item.parts) == 1 and item.system is None
    return item.texts[0] if alone and item.texts else item


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
            rows += _parse_row(file, row)
        except UnusableError as cause:
            rows.append(Broken(file, row.number, str(cause), row.unit))
        else:
            used = _used_columns(row.cells)
            ignored |= {name: None for name in row.cells if name not in used}
    if not any(isinstance(row, Triplet) for row in rows):
        first = str(rows[0]).removeprefix(f"{file}, ") if rows else "it has no rows"
        raise DataError(f"{file} has no usable row ({first})")
    return _File(rows, list(ignored))


def _parse_row(file: Path, row: DataRow) -> list[Triplet]:
    if row.fault:
        raise UnusableError(row.fault)
    cells, folder = row.cells, str(file.parent)
    columns = _find_columns(cells)
    if columns is None:
        raise UnusableError(f"its columns are {_list_names(cells)}; expected {EXPECTED}")
    anchors, positives = _read_sides(cells, columns, folder)
    negatives = tuple(read_items(cells, columns.negatives, folder))
    return [Triplet(anchors, one, negatives) for one in positives]


def _read_sides(cells: Cells, columns: _Columns, folder: str) -> tuple[RawItem, Sequence[RawItem]]:
    """Return the anchor and the positives of a row."""
    if columns.image:
        return _read_captioned(cells, columns, folder)
    anchor = cells[columns.anchor]
    if not isinstance(anchor, str | bytes | dict | None):
        raise UnusableError(f"{columns.anchor} is of type {type(anchor).__name__}; expected text")
    anchors = read_items(cells, (columns.anchor,), folder)
    positives = read_items(cells, columns.positives, folder)
    for name, items in ((columns.anchor, anchors), (columns.positives[0], positives)):
        if not items:
            raise UnusableError(f"{name} is empty")
    return anchors[0], positives


def _read_captioned(
    cells: Cells, columns: _Columns, folder: str
) -> tuple[RawItem, Sequence[RawItem]]:
    """Return an image and its captions; or an image with a text, and the images that it targets."""
    images = read_images(cells, (columns.image,), folder)
    texts = read_items(cells, columns.positives, folder)
    if len(images) != 1:
        raise UnusableError(f"{columns.image} has {len(images)} images; expected one")
    if not texts:
        raise UnusableError(f"{columns.positives[0]} is empty")
    if not columns.targets:
        return images[0], texts
    targets = read_images(cells, (columns.targets,), folder)
    if len(texts) != 1 or not targets:
        raise UnusableError(f"has {len(texts)} texts and {len(targets)} targets; expected one text")
    return Item((*images[0].parts, *as_item(texts[0]).parts)), targets


def _find_columns(names: Collection[str]) -> _Columns | None:
    return _find_columns_of(tuple(names))


@lru_cache(maxsize=100)
def _find_columns_of(names: tuple[str, ...]) -> _Columns | None:
    for anchor, positive in ANCHORS.items():
        positives = _matching(positive, names)
        if anchor in names and positives:
            return _Columns(anchor, positives, _matching(NEGATIVE, names))
    image = next((key for key in (*IMAGE_KEYS, *FILE_KEYS) if key in names), "")
    text = next((key for key in TEXT_KEYS if key in names), "")
    if not (image and text):
        return None
    targets = TARGET if TARGET in names else ""
    return _Columns("", (text,), _matching(NEGATIVE, names), image, targets)


def _matching(pattern: re.Pattern[str], names: Collection[str]) -> tuple[str, ...]:
    """Return the columns that match, numbered ones by number."""
    found = [name for name in names if pattern.fullmatch(name)]
    return tuple(sorted(found, key=lambda name: int(re.sub(r"\D", "", name) or 0)))


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
    return columns.names if columns else ()
