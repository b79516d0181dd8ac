"""Where the records of a table lie, by number: read when first asked for, 16 bytes each.

numbers -> positions among all numbers -> addresses

Only the writer asks: addresses change when it joins fragments, and it then forgets them.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from e5v.extras import imported
from e5v.search.keys import are_ascending, find_positions

with imported("an index"):
    import pyarrow as pa

# Reads the columns `row` and `_rowid` of records whose numbers are above one.
AddressReader = Callable[[int], Iterator[pa.RecordBatch]]


class Addresses:
    """The addresses of all records."""

    def __init__(self, read: AddressReader) -> None:
        self._read = read
        self.forget()

    def forget(self) -> None:
        """Read all again when asked: the table has been rewritten."""
        self._numbers, self._addresses = np.zeros(0, np.int64), np.zeros(0, np.uint64)

    def of(self, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the address of each record that exists; others are skipped."""
        last = int(self._numbers[-1]) if len(self._numbers) else 0
        if len(numbers) and int(numbers.max()) > last:
            self._extend(last)
        places = find_positions(self._numbers, numbers)
        return self._addresses[places[places >= 0]]

    def _extend(self, last: int) -> None:
        numbers, addresses = [self._numbers], [self._addresses]
        for batch in self._read(last):
            numbers.append(batch["row"].to_numpy())
            addresses.append(batch["_rowid"].to_numpy())
        self._numbers, self._addresses = np.concatenate(numbers), np.concatenate(addresses)
        if not are_ascending(self._numbers):
            order = np.argsort(self._numbers, kind="stable")
            self._numbers, self._addresses = self._numbers[order], self._addresses[order]
