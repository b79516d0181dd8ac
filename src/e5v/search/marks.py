"""What changes about entries without their records being written again.

Marks <-> marks.npz in the index folder, written whole or not at all

A record holds a thumbnail and a vector, and a table of records does not change one in place. That
its file is missing since some time, or that a line was inserted above its own, is noted here, by
the record's number.
"""

import io
import zipfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from e5v.files import write_file

FILE = "marks.npz"


@dataclass
class Marks:
    """By number of record: `missing` has seconds since 1970, `parts` the line or passage now."""

    missing: dict[int, int] = field(default_factory=dict)
    parts: dict[int, int] = field(default_factory=dict)

    def drop_all_but(self, numbers: Collection[int]) -> None:
        """Drop the marks of records that are no longer there."""
        self.missing = {one: since for one, since in self.missing.items() if one in numbers}
        self.parts = {one: part for one, part in self.parts.items() if one in numbers}


def read_marks(folder: Path) -> Marks:
    """Read the marks of an index; none where there is no file, or it cannot be read."""
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
    """Return what differs whenever the marks were written again; None where there are none."""
    try:
        told = (folder / FILE).stat()
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns, told.st_size
