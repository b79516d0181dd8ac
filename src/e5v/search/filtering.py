"""Filters in SQL, as LanceDB takes them: in composed form, and mistakes in one line.

where -> NFC -> LanceDB -> numbers of records, or what is wrong with the filter
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
    """Return the numbers of the records of a LanceDB table that a filter lets through.

    Raises:
        UsageError: the filter cannot be understood.
    """
    condition = whole_condition(normalize("NFC", where))
    with filtering(where):
        query = table.search().where(condition)
        found = query.select(["row"]).limit(None).to_arrow()
    numbers: NDArray[np.int64] = found["row"].to_numpy()
    return numbers


@contextmanager
def filtering(where: str) -> Iterator[None]:
    """Say of a filter that cannot be used why, and what could."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        message = plain(error)
        if message.startswith("Not found"):  # of the version, not of the filter
            raise
        raise UsageError(
            f"the filter {where!r} cannot be used: {message}; expected a condition as in "
            f"\"kind = 'image'\" on {', '.join(FILTERED)}"
        ) from error


def plain(error: Exception) -> str:
    """Leave out of a message of Lance's where in its own source it arose."""
    message = first_line(error).removeprefix("lance error: ").removeprefix("Invalid input, ")
    return message.partition(", /")[0].partition(". Valid fields")[0].strip()
