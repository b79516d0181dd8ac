"""The current records of a table: what a reader keeps in memory of each, 37 bytes.

batches of the table -> columns, ordered by number -> without replaced records -> Live
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.extras import imported
from e5v.search.entries import KINDS
from e5v.search.keys import Columns, KeyIndex, are_ascending, keys_of

with imported("an index"):
    import pyarrow as pa
    import pyarrow.compute as pc

READ = ("row", "id", "kind", "mtime", "_rowid")

# Reads the ids of records by their addresses.
IdReader = Callable[[NDArray[np.uint64]], Sequence[str]]


@dataclass(frozen=True)
class Live:
    """The current records: `numbers` ascending, and mtime, address, kind and id of each.

    `kinds` are positions in `KINDS`; `ids` find places that may have an id.
    """

    numbers: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    addresses: NDArray[np.uint64]
    kinds: NDArray[np.uint8]
    ids: KeyIndex

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.numbers)


def read_live(batches: Iterable[pa.RecordBatch], count: int, read_ids: IdReader) -> Live:
    """Collect the current records of a table from batches of `count` with the columns `READ`."""
    kinds = pa.array(KINDS)
    read = Columns(count, (np.int64, np.int64, np.uint64, np.uint8, np.int64))
    for batch in batches:
        kind = pc.index_in(batch["kind"], value_set=kinds).fill_null(255)
        rest = (batch[name].to_numpy() for name in ("row", "mtime", "_rowid"))
        read.add([*rest, kind.to_numpy().astype(np.uint8), keys_of(batch["id"].to_pylist())])
    columns = read.take()
    if not are_ascending(columns[0]):
        columns = take_each(columns, np.argsort(columns[0], kind="stable"))
    ids = KeyIndex.of(columns.pop())
    shared = ids.shared()
    replaced = _find_replaced(shared, read_ids(columns[2][shared])) if len(shared) else shared
    if len(replaced):
        kept = np.delete(np.arange(len(ids)), replaced)
        columns, ids = take_each(columns, kept), KeyIndex.of(ids.by_place()[kept])
    numbers, mtimes, addresses, kinds_of = columns
    return Live(numbers, mtimes, addresses, kinds_of, ids)


def take_each(columns: Sequence[NDArray[Any]], places: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Return each column at some places."""
    return [column[places] for column in columns]


def _find_replaced(places: NDArray[np.int64], ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the ascending places, of some with their ids, whose id a later one has, too."""
    last = dict(zip(ids, places.tolist(), strict=True))
    replaced = [place for place, id in zip(places.tolist(), ids, strict=True) if last[id] != place]
    return np.array(replaced, np.int64)
