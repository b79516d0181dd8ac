"""Entries that wait for a commit.

Piece -> Pending -> a new vector, or that of a record with the same content -> Record -> Known
"""

from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e5v.search.entries import Entry
from e5v.search.faults import Fault
from e5v.search.readers import Piece
from e5v.search.sources import Known, Source
from e5v.search.thumbnails import Thumbnail
from e5v.search.writer import Record


@dataclass(frozen=True)
class Pending:
    """An entry that gets a new vector, or reuses that of record number `same_as`.

    A thousand of these wait for a commit, so the content is not kept; `picture` is its thumbnail.
    """

    entry: Entry
    source: Source
    picture: Future[Thumbnail] | None = None
    vector: NDArray[np.float32] | None = None
    same_as: int = 0

    def fault(self, reason: str) -> Fault:
        """Return the fault of an entry that could not be embedded."""
        one = self.entry
        return Fault(self.source, one.part, one.path, one.size, one.mtime, reason)


def record_of(one: Pending, recalled: dict[int, Record]) -> Record:
    """Return the record to write; `recalled` are records of the same content, by number."""
    if one.vector is not None:
        return Record(_with_thumbnail(one.entry, _wait_for_thumbnail(one)), one.source, one.vector)
    old = recalled[one.same_as]
    picture = Thumbnail(old.entry.thumbnail, old.entry.width, old.entry.height)
    return Record(_with_thumbnail(one.entry, picture), one.source, old.vector)


def _with_thumbnail(entry: Entry, picture: Thumbnail) -> Entry:
    return replace(entry, thumbnail=picture.content, width=picture.width, height=picture.height)


def _wait_for_thumbnail(one: Pending) -> Thumbnail:
    try:
        return one.picture.result() if one.picture else Thumbnail(b"", 0, 0)
    except Exception:  # Pillow failed on bytes that the model could read
        return Thumbnail(b"", 0, 0)


def entry_of(piece: Piece) -> Entry:
    """Return the entry of a piece, without a thumbnail."""
    return Entry(
        id=piece.id,
        path=piece.path,
        kind=piece.kind,
        part=piece.part,
        size=piece.size,
        mtime=piece.mtime,
        digest=piece.digest,
        text=piece.text,
        thumbnail=b"",
        width=0,
        height=0,
    )


def known_of(number: int, record: Record) -> Known:
    """Return the `Known` of a record that was written."""
    entry = record.entry
    place = entry.id, entry.path, entry.kind, entry.part
    return Known(number, record.source, *place, entry.size, entry.mtime, entry.digest)
