"""A row of a data file, in whatever format it is: its cells by column, or why it has none."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Unit = Literal["row", "line"]
Check = Callable[[Path, Collection[str]], Collection[str]]


@dataclass(frozen=True, slots=True)
class DataRow:
    """A row of data, counted from 1: a CSV's header does not count, its blank lines do.

    For JSON lines, `number` is the line number. `fault` says why there are no cells. `key` finds
    the row again if it stays on disk (`e5v.training.stored_rows`).
    """

    number: int
    cells: Mapping[str, Any]
    fault: str = ""
    unit: Unit = "row"
    key: int = 0
