"""What is indexed, what could not be, and the state of its files: the writer's view.

records, marks, faults.json, files.sqlite -> Catalog -> changes are written back

Every record contains the size and mtime of its file. If a file is only touched, or a line is added
to it, these alone are written again. Where they cannot be, as for a line whose image is missing,
the present state of the file is stored in files.sqlite. What could not be indexed is in
faults.json, and is tried again only when it has changed. Only the writer reads these two.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from e5v.files import FileState, read_state, write_file
from e5v.media.locations import place_of
from e5v.search.marks import read_marks, write_marks
from e5v.search.records import Known, RecordIndex, Source, StoredRecords

FAULTS, STATES = "faults.json", "files.sqlite"
TABLE = """CREATE TABLE IF NOT EXISTS files
    (path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime INTEGER NOT NULL) WITHOUT ROWID"""
Away = Literal["", "missing", "unread"]

# Returns the digest of an image that is unchanged since it was indexed, so that it is not read.
Unchanged = Callable[[str], str | None]


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

    @property
    def is_retried(self) -> bool:
        """Whether the file is read again in every run: no mtime says that it can be read now."""
        return self.away == "unread" or self.source.size < 0

    @property
    def _is_line(self) -> bool:
        return bool(self.part) and not place_of(self.path)

    def __str__(self) -> str:
        """Return what failed, where, and why."""
        line = f" (line {self.part} of {self.source.path})" if self._is_line else ""
        return f"{self.path}{line} {self.reason}"


class Catalog:
    """The catalog of one index folder.

    `records` has the records; `marks` and `states` what changed without rewriting a record;
    `faults` what could not be indexed, by the path of its source.
    """

    def __init__(self, folder: Path, stored: StoredRecords) -> None:
        self._folder = folder
        self.marks = read_marks(folder)
        self.records = RecordIndex(stored, self.marks)
        self.states = read_states(folder)
        self.faults: dict[str, list[Fault]] = {}
        for fault in read_faults(folder):
            self.faults.setdefault(fault.source.path, []).append(fault)
        self.marks.drop_all_but(self.records.keys.numbers)
        self._faults_changed = self._marks_changed = False

    def is_missing(self, number: int) -> bool:
        """Return whether a record is marked as missing."""
        return number in self.marks.missing

    def missing(self) -> NDArray[np.int64]:
        """Return the ascending numbers of the records that are marked as missing."""
        return np.sort(np.fromiter(self.marks.missing, np.int64, len(self.marks.missing)))

    def mark_missing(self, number: int, now: int) -> bool:
        """Mark a record's file as missing since `now`; return whether that is new."""
        if self.is_missing(number):
            return False
        self.marks.missing[number] = now
        self._marks_changed = True
        return True

    def mark_present(self, number: int) -> bool:
        """Mark a record's file as present; return whether it was missing before."""
        if self.marks.missing.pop(number, None) is None:
            return False
        self._marks_changed = True
        return True

    def move(self, known: Known, part: int) -> None:
        """Set the line or passage number of a record."""
        if known.part != part:
            self.marks.parts[known.number] = part
            self._marks_changed = True

    def restate(self, known: Sequence[Known]) -> None:
        """Note that records were written with their present part, and the state of their files."""
        self.records.restate(known)
        for one in known:
            self._marks_changed |= self.marks.parts.pop(one.number, None) is not None

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove records, and their marks."""
        for number in numbers:
            for marks in (self.marks.missing, self.marks.parts):
                self._marks_changed |= marks.pop(number, None) is not None
            self.records.remove(number)

    def superseded(self) -> list[int]:
        """Return missing records whose content has another entry, such as those of moved files.

        Those of files that could not be read whole are left out.
        """
        if not self.marks.missing:
            return []
        some = self.records.doubles(self.missing())
        there = {one.digest for one in some if not self.is_missing(one.number)}
        return [
            one.number
            for one in some
            if self.is_missing(one.number)
            and one.digest in there
            and not self.is_unread(one.source.path)
        ]

    def unchanged(self, known: Sequence[Known]) -> Unchanged:
        """Return a function: path of an image -> its digest if the file is unchanged, else None."""
        by_path = {one.path: one for one in known if one.path != one.source.path}

        def digest_of(path: str) -> str | None:
            one = by_path.get(path)
            if one is None or read_state(path) != self.states.get(path, (one.size, one.mtime)):
                return None
            return one.digest

        return digest_of

    def is_unread(self, path: str) -> bool:
        """Return whether a file could not be read whole in the last run."""
        return any(one.away == "unread" and not one.part for one in self.faults.get(path, ()))

    def add_fault(self, fault: Fault) -> None:
        """Record what could not be indexed."""
        self.faults.setdefault(fault.source.path, []).append(fault)
        self._faults_changed = True

    def drop_faults(self, path: str) -> list[Fault]:
        """Drop the faults of a source; return them."""
        dropped = self.faults.pop(path, [])
        self._faults_changed |= bool(dropped)
        return dropped

    def put_states(self, changed: dict[str, FileState], dropped: Iterable[str]) -> None:
        """Write states of files, and drop those of others."""
        fresh = {path: one for path, one in changed.items() if self.states.get(path) != one}
        old = {path for path in dropped if path in self.states and path not in changed}
        if fresh or old:
            write_states(self._folder, fresh, old)
            self.states.update(fresh)
            for path in old:
                del self.states[path]

    def save(self) -> None:
        """Write faults and marks if they changed."""
        if self._faults_changed:
            write_faults(self._folder, (one for some in self.faults.values() for one in some))
            self._faults_changed = False
        if self._marks_changed:
            write_marks(self._folder, self.marks)
            self._marks_changed = False


def read_faults(folder: Path) -> list[Fault]:
    """Read the faults of an index; if that fails return none: all is tried again."""
    try:
        stored = json.loads((folder / FAULTS).read_text(encoding="utf-8"))
        return [Fault(**one | {"source": Source(**one["source"])}) for one in stored]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def write_faults(folder: Path, faults: Iterable[Fault]) -> None:
    """Write all faults of an index."""
    stored = [asdict(fault) for fault in faults]
    write_file(folder / FAULTS, json.dumps(stored, indent=1))


def read_states(folder: Path) -> dict[str, FileState]:
    """Read all states; an unreadable file is removed, so that its files are read again."""
    if not (folder / STATES).exists():
        return {}
    try:
        with closing(sqlite3.connect(folder / STATES)) as database:
            rows = database.execute("SELECT path, size, mtime FROM files").fetchall()
        return {path: FileState(size, mtime) for path, size, mtime in rows}
    except sqlite3.Error:
        (folder / STATES).unlink(missing_ok=True)
        return {}


def write_states(folder: Path, changed: Mapping[str, FileState], dropped: Iterable[str]) -> None:
    """Write some states and drop others, in one transaction, flushed to disk."""
    with closing(sqlite3.connect(folder / STATES)) as database:
        database.execute("PRAGMA synchronous = FULL")
        with database:
            database.execute(TABLE)
            database.executemany("DELETE FROM files WHERE path = ?", ((one,) for one in dropped))
            rows = ((path, state.size, state.mtime) for path, state in changed.items())
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
