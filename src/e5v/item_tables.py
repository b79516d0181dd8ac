"""Tables of items to embed, in Parquet or Lance: each row is an object, as a line of JSON is.

file.parquet | dataset.lance -> columns of known names -> row -> paths of images found
                             -> ItemLine, or LineFault

Images may be in the table: as bytes, or as Hugging Face's {"bytes", "path"}. Only the columns that
are used are read, some rows at a time. Parquet may be at a store.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.captions import ENCODED_KEYS, KNOWN_KEYS
from e5v.errors import DataError, ItemError
from e5v.inputs import normalise
from e5v.item_lines import ImagePlaces, ItemLine, read_object
from e5v.jsonl import LineFault, Wrong, listed
from e5v.lance_datasets import is_dataset_name, open_dataset, read_batches
from e5v.parquet import open_parquet
from e5v.places import StoreUrl

if TYPE_CHECKING:
    from pyarrow import RecordBatch

ROWS = 64  # in memory at a time, images in the file included
NAMES = KNOWN_KEYS | set(ENCODED_KEYS)


@dataclass(frozen=True)
class OpenTable:
    """The columns of a table, and what reads some of them, at most `ROWS` rows at a time."""

    names: list[str]
    read: Callable[[list[str]], Iterator["RecordBatch"]]


@contextmanager
def _open_table(path: Path | StoreUrl) -> Iterator[OpenTable]:
    if isinstance(path, Path) and is_dataset_name(path):
        with open_dataset(path) as table:
            yield OpenTable(table.schema.names, lambda some: read_batches(table, some, ROWS))
    else:
        with open_parquet(path) as file:
            names = file.schema_arrow.names
            yield OpenTable(names, lambda some: file.iter_batches(ROWS, columns=some))


def read_item_table(path: Path | StoreUrl) -> Iterator[ItemLine | LineFault]:
    """Read the items of a table; `number` is that of the row, from 1.

    Raises:
        DataError: it cannot be read, or has neither texts nor images.
    """
    folder = path.parent if isinstance(path, StoreUrl) else str(path.parent)
    places = ImagePlaces(folder, stores=True)
    with _open_table(path) as table:
        number = 0
        for batch in table.read(_find_columns(path, table.names)):
            for row in batch.to_pylist():
                number += 1
                yield _make_item(number, row, places)


def check_item_table(path: Path | StoreUrl) -> None:
    """Check that a table can be opened, and has texts or images; no row is read.

    Raises:
        DataError: it cannot be read, or has neither.
    """
    with _open_table(path) as table:
        _find_columns(path, table.names)


def _find_columns(path: Path | StoreUrl, names: list[str]) -> list[str]:
    known = [name for name in names if name in NAMES]
    if not set(known) - {"id"}:
        raise DataError(
            f"{path} has no column of texts or images; it has {listed(names)}; expected "
            '"text" or "image", as in JSON lines'
        )
    return known


def _make_item(number: int, row: Mapping[str, object], places: ImagePlaces) -> ItemLine | LineFault:
    value = {name: {"bytes": one} if isinstance(one, bytes) else one for name, one in row.items()}
    try:
        raw = read_object(value, places)
        normalise(raw, number)
    except Wrong as wrong:
        return LineFault(number, str(wrong))
    except ItemError as error:
        return LineFault(number, error.cause)
    return ItemLine(number, value, raw)
