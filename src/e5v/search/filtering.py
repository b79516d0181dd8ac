"""SQL filters for LanceDB: texts in NFC, and errors in one line.

where -> NFC -> LanceDB -> numbers of records, or an error
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError, first_line
from e5v.extras import imported
from e5v.search.entries import FILTERED
from e5v.search.filters import whole_condition

with imported("an index"):
    import lancedb
    import pyarrow as pa
    import pyarrow.compute as pc

SCANNED = 2**16  # records at a time
MISMATCH = re.compile(r"literal \w+\((.*)\) and could not convert to literal of type '(\w+)'")


def find_matching(table: lancedb.table.Table, where: str) -> NDArray[np.int64]:
    """Return the numbers of the records of a LanceDB table that match a filter.

    Raises:
        UsageError: the filter is invalid.
    """
    numbers = _find_matching(table, where)
    if where.isascii():
        return numbers
    decomposed = _compose_paths(table)
    if not len(decomposed):
        return numbers
    composed = lancedb.connect("memory://").create_table("entries", data=decomposed)
    others = np.setdiff1d(numbers, decomposed["row"].to_numpy())
    return np.union1d(others, _find_matching(composed, where))


def _find_matching(table: lancedb.table.Table, where: str) -> NDArray[np.int64]:
    condition = whole_condition(normalize("NFC", where))
    with filtering(where):
        query = table.search().where(condition)
        found = query.select(["row"]).limit(None).to_arrow()
    numbers: NDArray[np.int64] = found["row"].to_numpy()
    return numbers


def _compose_paths(table: lancedb.table.Table) -> pa.Table:
    """Return the records whose path is not in composed Unicode (NFC), with the path composed.

    File names from macOS are decomposed: a filter typed elsewhere would not match them.
    """
    rows = pa.concat_arrays(
        [pa.array([], pa.int64())]
        + [
            batch["row"].filter(
                pc.not_equal(batch["path"], pc.utf8_normalize(batch["path"], "NFC"))
            )
            for batch in _scan(table, ["row", "path"])
        ]
    )
    if not len(rows):
        return rows
    found = pa.Table.from_batches(
        batch.filter(pc.is_in(batch["row"], value_set=rows))
        for batch in _scan(table, ["row", *(one for one in FILTERED if one in table.schema.names)])
    )
    place = found.schema.get_field_index("path")
    return found.set_column(place, "path", pc.utf8_normalize(found["path"], "NFC"))


def _scan(table: lancedb.table.Table, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield columns of all records, some records at a time."""
    yield from table.search().select(columns).limit(None).to_batches(SCANNED)


@contextmanager
def filtering(where: str) -> Iterator[None]:
    """Turn LanceDB's errors about a filter into a UsageError."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        message = first_message(error)
        if message.startswith("Not found"):  # the version was removed; the filter is fine
            raise
        if found := MISMATCH.search(message):
            message = f"{found[1]} cannot be compared with a column of type {found[2]}"
        raise UsageError(
            f"the filter {where!r} cannot be used: {message}; expected a condition such as "
            f"\"kind = 'image'\" on {', '.join(FILTERED)}"
        ) from error


def first_message(error: Exception) -> str:
    """Return a message of Lance without its prefixes and source locations."""
    message = first_line(error).removeprefix("lance error: ").removeprefix("Invalid input, ")
    return message.partition(", /")[0].partition(". Valid fields")[0].strip()
