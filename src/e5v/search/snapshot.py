"""One version of an index, as a reader sees it: it does not change while a search is under way.

index folder -> table, records that count, rows of their vectors -> Snapshot
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from e5v.errors import DataError, first_line
from e5v.search.entries import Entry
from e5v.search.rows import Rows
from e5v.search.table import COLUMNS, Live, Table

TRIES = 5  # reads of an index that is being written


@dataclass(frozen=True)
class Snapshot:
    """The table, the records that count, and where their vectors are."""

    table: Table
    live: Live
    rows: Rows | None
    places: NDArray[np.int64]

    @classmethod
    def take(cls, folder: Path) -> "Snapshot":
        """Read the latest version of the index in a folder.

        Raises:
            DataError: it cannot be read.
        """
        for _ in range(TRIES):
            table = Table.open(folder)
            try:
                live = table.live()
            except RuntimeError as error:
                raise unreadable(folder, error) from error
            rows = Rows.read(folder)
            if rows is None and not len(live.numbers):
                return cls(table, live, None, np.zeros(0, np.int64))
            places = None if rows is None else rows.places(live.numbers)
            if places is not None:
                return cls(table, live, rows, places)
        raise DataError(f"the index in {folder} is damaged; e5v index repairs it")

    def entries(self, within: Sequence[int] | NDArray[np.int64]) -> list[Entry]:
        """Return entries by their place in `live`, in the order given."""
        records = self.table.take(self.live.addresses[np.asarray(within, np.int64)], COLUMNS)
        return [Entry(**{column: record[column] for column in COLUMNS}) for record in records]

    @cached_property
    def newest(self) -> NDArray[np.int64]:
        """Places in `live`, those of the files changed last first, parts of one file in order."""
        return np.lexsort((self.live.numbers, -self.live.mtimes))

    def newest_of(self, kind: str | None) -> NDArray[np.int64]:
        """Return the places of one kind, newest first; of all if the kind is None."""
        if kind is None:
            return self.newest
        wanted: NDArray[np.bool_] = pc.equal(self.live.kinds, kind).to_numpy(zero_copy_only=False)
        return self.newest[wanted[self.newest]]


def unreadable(folder: Path, error: RuntimeError) -> DataError:
    """Say that an index cannot be read, why, and what to do."""
    what = f"the index in {folder} cannot be read: {first_line(error)}"
    return DataError(f"{what}; remove it and run e5v index again")
