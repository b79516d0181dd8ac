"""Size and time of change of files that changed, while what was indexed of them did not.

path -> State <-> files.sqlite in the index folder

Every record notes size and time of change of its file as they were when it was written. Where a
file was only touched, or a line was added to it, the old records stay as they are, and the file's
present state stands here, once. Only the writer reads it.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

FILE = "files.sqlite"
TABLE = """CREATE TABLE IF NOT EXISTS files
    (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime INTEGER NOT NULL) WITHOUT ROWID"""


class State(NamedTuple):
    """Bytes of a file, and when it was changed, in nanoseconds since 1970."""

    size: int
    mtime: int


def read_states(folder: Path) -> dict[str, State]:
    """Read all states; if they cannot be read they are removed, and their files read again."""
    if not (folder / FILE).exists():
        return {}
    try:
        with closing(sqlite3.connect(folder / FILE)) as database:
            rows = database.execute("SELECT path, size, mtime FROM files").fetchall()
        return {path: State(size, mtime) for path, size, mtime in rows}
    except sqlite3.Error:
        (folder / FILE).unlink(missing_ok=True)
        return {}


def write_states(folder: Path, changed: Mapping[str, State], dropped: Iterable[str]) -> None:
    """Write some states and drop others, in one transaction that is on the disk after this."""
    with closing(sqlite3.connect(folder / FILE)) as database:
        database.execute("PRAGMA synchronous = FULL")
        with database:
            database.execute(TABLE)
            database.executemany("DELETE FROM files WHERE path = ?", ((one,) for one in dropped))
            rows = ((path, state.size, state.mtime) for path, state in changed.items())
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
