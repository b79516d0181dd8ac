"""The current records of a table: the columns that a reader keeps in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e5v.extras import imported

with imported("an index"):
    import pyarrow as pa
    import pyarrow.compute as pc


@dataclass(frozen=True)
class Live:
    """The current records: `numbers` ascending, and the address, id, kind and mtime of each."""

    numbers: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    addresses: NDArray[np.uint64]
    ids: pa.Array
    kinds: pa.Array

    def place(self, id: str) -> int | None:
        """Return the position of an id, or None."""
        place = pc.index(self.ids, id).as_py()
        return None if place < 0 else int(place)

    def places(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the positions of ids; unknown ids are skipped."""
        found = pc.drop_null(pc.index_in(pa.array(ids, pa.string()), value_set=self.ids))
        places: NDArray[np.int64] = found.to_numpy().astype(np.int64)
        return places


def last_of_each(ids: pa.Array) -> NDArray[np.int64] | None:
    """Return the last position of each id, or None if there are no duplicates."""
    codes = pc.dictionary_encode(ids.combine_chunks()).indices.to_numpy()
    if not len(codes) or codes.max() + 1 == len(codes):
        return None
    last = np.zeros(codes.max() + 1, np.int64)
    np.maximum.at(last, codes, np.arange(len(codes)))
    return np.sort(last)
