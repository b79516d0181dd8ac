"""Files that could not be indexed, and why; tried again only when they have changed.

Fault <-> faults.json in the index folder
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from e5v.files import write_file
from e5v.search.sources import Source

FILE = "faults.json"
Away = Literal["", "missing", "unread"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A file, or one part of one, that could not be indexed.

    `source` is the file that names it; `part` is 0 for the whole file, or for its invalid lines;
    `path`, `size` and `mtime` are of the file itself. `away` is set if the content is missing or
    unreadable, so that its entries are kept.
    """

    source: Source
    part: int
    path: str
    size: int
    mtime: int
    reason: str
    away: Away = ""

    def __str__(self) -> str:
        """Return what failed, where, and why."""
        line = f" (line {self.part} of {self.source.path})" if self.part else ""
        return f"{self.path}{line} {self.reason}"


def read_faults(folder: Path) -> list[Fault]:
    """Read the faults of an index; if that fails return none: all is tried again."""
    try:
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return [Fault(**one | {"source": Source(**one["source"])}) for one in stored]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def write_faults(folder: Path, faults: Iterable[Fault]) -> None:
    """Write all faults of an index."""
    stored = [asdict(fault) for fault in faults]
    write_file(folder / FILE, json.dumps(stored, indent=1))
