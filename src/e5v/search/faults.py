"""What could not be indexed, and why: tried again only when it has changed.

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

    `source` is the file that told of it; `part` is 0 for all of it, or for what is wrong with its
    lines; `path`, `size` and `mtime` are those of the thing itself. `away` is set where its
    content is missing or could not be read, so that what was indexed of it is kept.
    """

    source: Source
    part: int
    path: str
    size: int
    mtime: int
    reason: str
    away: Away = ""

    def __str__(self) -> str:
        """Say what, where, and why."""
        told = f" (line {self.part} of {self.source.path})" if self.part else ""
        return f"{self.path}{told} {self.reason}"


def read_faults(folder: Path) -> list[Fault]:
    """Read the faults of an index; if they cannot be read, all is tried again."""
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return [Fault(**one | {"source": Source(**one["source"])}) for one in told]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def write_faults(folder: Path, faults: Iterable[Fault]) -> None:
    """Write all faults of an index."""
    told = [asdict(fault) for fault in faults]
    write_file(folder / FILE, json.dumps(told, indent=1))
