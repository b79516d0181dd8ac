"""Rows of a data set on the hub: its files are mapped, so that any row is read at any time.

hub:ORG/NAME:SPLIT | hub:ORG/NAME/SUBSET:SPLIT -> `datasets` -> Arrow tables -> DataRow
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from e5v.hub_sets import HubSplit, open_split
from e5v.training.data_row import Check, DataRow
from e5v.training.stored_rows import ROWS_AT_ONCE, table_row


class HubStore:
    """The rows of a split, as `e5v.training.stored_rows` keeps those of a file.

    Raises:
        DataError: it cannot be opened, or has other columns.
        MissingExtraError: the package `datasets` is not installed.
    """

    groups: Sequence[int] = ()
    together: int = 1

    def __init__(self, source: Path, split: HubSplit, check: Check) -> None:
        data = open_split(split.name, split.split, subset=split.subset, shown=str(source))
        self._names: list[str] = data.column_names
        used = check(source, self._names)
        columns = [name for name in self._names if name in used]
        self._data: Any = data.select_columns(columns).with_format("arrow")

    def rows(self) -> Iterator[DataRow]:
        """Read all rows; `key` is the index of a row."""
        for first in range(0, len(self._data), ROWS_AT_ONCE):
            table = self._data[first : first + ROWS_AT_ONCE]
            for place in range(len(table)):
                yield table_row(self._names, table, place, first + place)

    def read(self, key: int) -> DataRow:
        """Read the row of an index."""
        return table_row(self._names, self._data[key : key + 1], 0, key)
