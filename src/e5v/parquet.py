"""Open Parquet files, for training and for evaluation.

path -> pyarrow's ParquetFile, or one line that says why it cannot be read
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.errors import DataError, first_line
from e5v.extras import imported

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile


@contextmanager
def open_parquet(path: Path, *, checked: bool = False) -> Iterator["ParquetFile"]:
    """Open a Parquet file; errors while it is open are raised in the same way.

    With `checked`, the checksums of its pages are compared as they are read.

    Raises:
        DataError: it cannot be read, is not Parquet, is damaged, or has text that is not UTF-8.
        MissingExtraError: pyarrow is not installed.
    """
    with imported("Parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=checked) as table:
            yield table
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: not UTF-8
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        raise DataError(f"{path} cannot be read as Parquet: {first_line(error)}") from None
