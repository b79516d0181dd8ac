"""Open Lance datasets of this machine: folders named NAME.lance, as Lance and LanceDB write them.

folder -> LanceDB's table in one version -> some columns of its rows, in their order
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.errors import DataError, first_line
from e5v.extras import imported
from e5v.image_formats import suffix_of
from e5v.places import StoreUrl

if TYPE_CHECKING:
    from lancedb.table import Table
    from pyarrow import RecordBatch

SUFFIX = ".lance"
VERSIONS = "_versions"  # the folder that every dataset has


def is_dataset_name(place: Path | StoreUrl) -> bool:
    """Return whether a place is called as Lance datasets are."""
    return suffix_of(place.name) == SUFFIX


def refuse_stored_dataset(place: StoreUrl) -> None:
    """Refuse a Lance dataset at an object store.

    Raises:
        DataError: it is called like one.
    """
    if is_dataset_name(place):
        raise DataError(
            f"{place} is at a store, where Lance datasets are not read; copy the folder to this "
            "machine, or give its rows as Parquet"
        )


@contextmanager
def open_dataset(path: Path) -> Iterator["Table"]:
    """Open a dataset in its latest version; errors while it is open are raised in the same way.

    Raises:
        DataError: it is no dataset, is damaged, or has a name that LanceDB refuses.
        MissingExtraError: lancedb is not installed.
    """
    with imported("Lance"):
        import lancedb
        import pyarrow as pa

    if not (path / VERSIONS).is_dir():
        raise DataError(
            f"{path} is no Lance dataset: it has no folder {VERSIONS}; give the folder that Lance "
            "wrote, or call a folder of images otherwise"
        )
    try:
        yield lancedb.connect(path.parent).open_table(path.stem)
    except (pa.ArrowException, OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{path} cannot be read as Lance: {first_line(error)}") from None


def read_batches(table: "Table", columns: Sequence[str], rows: int) -> Iterator["RecordBatch"]:
    """Yield columns of all rows in order, at most `rows` at a time; deleted rows are left out."""
    yield from table.search().select(list(columns)).limit(None).to_batches(rows)
