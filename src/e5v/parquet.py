"""Open Parquet files, here or at a store.

path | URL -> pyarrow's ParquetFile, or one line that says why it cannot be read
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from e5v.errors import DataError, first_line
from e5v.extras import imported
from e5v.places import StoreUrl
from e5v.stores.files import open_file

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

READ_AHEAD = 2**16  # bytes of one request to a store: columns that are not asked for lie between


@contextmanager
def open_parquet(path: Path | StoreUrl, *, checked: bool = False) -> Iterator["ParquetFile"]:
    """Open a Parquet file; errors while it is open are raised in the same way.

    With `checked`, the checksums of its pages are compared as they are read. Of a file at a store,
    the columns and row groups that are asked for are read, and no others.

    Raises:
        DataError: it cannot be read, is not Parquet, is damaged, or has text that is not UTF-8.
        MissingExtraError: pyarrow is not installed.
    """
    with imported("Parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    try:
        with (
            _open(path) as file,
            pq.ParquetFile(file, page_checksum_verification=checked) as table,
        ):
            yield table
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: not UTF-8
        if isinstance(path, StoreUrl) and isinstance(error, FileNotFoundError):
            raise DataError(str(error)) from None
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        raise DataError(f"{path} cannot be read as Parquet: {first_line(error)}") from None


def _open(path: Path | StoreUrl) -> AbstractContextManager[Path | BinaryIO]:
    if isinstance(path, Path):
        return nullcontext(path)
    return open_file(path, read_ahead=READ_AHEAD)
