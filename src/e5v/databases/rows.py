"""What a database holds of an entry: columns, a stamp of their content, and the vector.

Entry, vector -> Row -> values of columns <-> Found
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from e5v.databases.conditions import Value
from e5v.search.entries import Entry

VECTOR = "embedding"  # the name of the vector, in every database
TEXTS = ("path", "raw_path", "kind", "digest", "text")
NUMBERS = ("number", "part", "size", "mtime", "width", "height")
COLUMNS = ("id", *TEXTS, *NUMBERS, "thumbnail")  # and `stamp`, which is read alone


@dataclass(frozen=True)
class Row:
    """An entry, its number in the index, and its vector (d,) as the index has it."""

    number: int
    entry: Entry
    vector: NDArray[np.float16]

    @cached_property
    def values(self) -> dict[str, Any]:
        """The columns in their order, without vector and stamp; the thumbnail is bytes.

        `path` is in composed Unicode (NFC), for filters; `raw_path` is what the file system has, if
        that differs, and otherwise empty.
        """
        entry = self.entry
        path = normalize("NFC", entry.path)
        return {
            "id": entry.id,
            "path": path,
            "raw_path": "" if path == entry.path else entry.path,
            "kind": entry.kind,
            "digest": entry.digest,
            "text": entry.text,
            "number": self.number,
            "part": entry.part,
            "size": entry.size,
            "mtime": entry.mtime,
            "width": entry.width,
            "height": entry.height,
            "thumbnail": entry.thumbnail,
        }

    @cached_property
    def stamp(self) -> str:
        """A digest of all that is stored: a row with the same stamp need not be sent again."""
        written = blake2b(repr(self.values).encode("utf-8", "surrogatepass"), digest_size=16)
        written.update(np.ascontiguousarray(self.vector, "<f2").tobytes())
        return written.hexdigest()

    @property
    def texts(self) -> dict[str, Any]:
        """The columns and the stamp, for databases without bytes: the thumbnail in base64."""
        small = base64.b64encode(self.entry.thumbnail).decode()
        return self.values | {"thumbnail": small, "stamp": self.stamp}

    def without_thumbnail(self) -> "Row":
        """Return the row without its thumbnail."""
        return replace(self, entry=replace(self.entry, thumbnail=b""))


@dataclass(frozen=True)
class Found:
    """An entry that a database found, its number in the index, and its score."""

    number: int
    entry: Entry
    score: float = 0.0


def read_found(values: Mapping[str, Any], score: float = 0.0) -> Found:
    """Return the entry of a row's columns; the thumbnail is bytes, or a text in base64."""
    small = values["thumbnail"]
    small = base64.b64decode(small) if isinstance(small, str) else bytes(small)
    names = ("id", "kind", "part", "size", "mtime", "digest", "text", "width", "height")
    entry = Entry(
        path=values["raw_path"] or values["path"],
        thumbnail=small,
        **{name: values[name] for name in names},
    )
    return Found(values["number"], entry, score)


def filtered_values(entry: Entry) -> dict[str, Value]:
    """Return the columns of an entry that filters know."""
    return {
        "id": entry.id,
        "path": normalize("NFC", entry.path),
        "kind": entry.kind,
        "digest": entry.digest,
        "text": entry.text,
        "part": entry.part,
        "size": entry.size,
        "mtime": entry.mtime,
        "width": entry.width,
        "height": entry.height,
    }
