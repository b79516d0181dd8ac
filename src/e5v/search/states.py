"""Size and mtime of files that changed while their records did not.

path -> State <-> files.sqlite in the index folder

Every record contains the size and mtime of its file at the time it was written. If a file is only
touched, or a line is added to it, the old records stay unchanged, and the present state of the file
is stored here. Only the writer reads it.
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
    """Size of a file in bytes, and mtime in nanoseconds since 1970."""

    size: int
    mtime: int


def read_states(folder: Path) -> dict[str, State]:
    """Read all states; an unreadable file is removed, so that its files are read again."""
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
    """Write some states and drop others, in one transaction, flushed to disk."""
    with closing(sqlite3.connect(folder / FILE)) as database:
        database.execute("PRAGMA synchronous = FULL")
        with database:
            database.execute(TABLE)
            database.executemany("DELETE FROM files WHERE path = ?", ((one,) for one in dropped))
            rows = ((path, state.size, state.mtime) for path, state in changed.items())
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
