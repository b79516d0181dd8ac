"""SQL filters for LanceDB: texts in NFC, and errors in one line.

where -> NFC -> LanceDB -> numbers of records, or an error
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError, first_line
from e5v.search.filters import whole_condition

FILTERED = ("id", "path", "kind", "part", "size", "mtime", "digest", "text", "width", "height")


def matching(table: Any, where: str) -> NDArray[np.int64]:
    """Return the numbers of the records of a LanceDB table that match a filter.

    Raises:
        UsageError: the filter is invalid.
    """
    condition = whole_condition(normalize("NFC", where))
    with filtering(where):
        query = table.search().where(condition)
        found = query.select(["row"]).limit(None).to_arrow()
    numbers: NDArray[np.int64] = found["row"].to_numpy()
    return numbers


@contextmanager
def filtering(where: str) -> Iterator[None]:
    """Turn LanceDB's errors about a filter into a UsageError."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        message = plain(error)
        if message.startswith("Not found"):  # the version was removed; the filter is fine
            raise
        raise UsageError(
            f"the filter {where!r} cannot be used: {message}; expected a condition such as "
            f"\"kind = 'image'\" on {', '.join(FILTERED)}"
        ) from error


def plain(error: Exception) -> str:
    """Return a message of Lance without its prefixes and source locations."""
    message = first_line(error).removeprefix("lance error: ").removeprefix("Invalid input, ")
    return message.partition(", /")[0].partition(". Valid fields")[0].strip()
