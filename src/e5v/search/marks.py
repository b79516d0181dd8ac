"""Changes to entries that do not rewrite their records.

Marks <-> marks.npz in the index folder, written atomically

A record contains a thumbnail and a vector, and cannot be changed in place. So it is noted here, by
the record's number, since when its file is missing, or which line it is now if lines were inserted
above it.
"""

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e5v.files import write_file
from e5v.search.keys import find_positions

FILE = "marks.npz"


@dataclass
class Marks:
    """By record number: `missing` since when (Unix time), `parts` the present line or passage."""

    missing: dict[int, int] = field(default_factory=dict)
    parts: dict[int, int] = field(default_factory=dict)

    def drop_all_but(self, numbers: NDArray[np.int64]) -> None:
        """Drop the marks of records that no longer exist; `numbers`, ascending, do."""
        for marks in (self.missing, self.parts):
            marked = np.fromiter(marks, np.int64, len(marks))
            for number in marked[find_positions(numbers, marked) < 0].tolist():
                del marks[number]


def read_marks(folder: Path) -> Marks:
    """Read the marks of an index; empty if there is no readable file."""
    try:
        with np.load(io.BytesIO((folder / FILE).read_bytes())) as stored:
            missing, parts = stored["missing"].tolist(), stored["parts"].tolist()
            return Marks(dict(map(tuple, missing)), dict(map(tuple, parts)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return Marks()


def write_marks(folder: Path, marks: Marks) -> None:
    """Write the marks of an index."""
    content = io.BytesIO()
    arrays = {
        name: np.array(sorted(pairs.items()), np.int64).reshape(-1, 2)
        for name, pairs in (("missing", marks.missing), ("parts", marks.parts))
    }
    np.savez(content, **arrays)  # type: ignore[arg-type]
    write_file(folder / FILE, content.getvalue())


def version_of(folder: Path) -> tuple[int, int, int] | None:
    """Return a version of the marks file, new after every write; None if there is no file."""
    try:
        status = (folder / FILE).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
