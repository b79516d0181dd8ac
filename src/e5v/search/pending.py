"""Entries that wait for a commit.

Piece -> Pending -> a new vector, or that of a record with the same content -> Record -> Known
"""

import time
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e5v.media.captured import Captured
from e5v.search.catalog import Catalog, Fault
from e5v.search.entries import Entry
from e5v.search.pieces import Piece
from e5v.search.records import Known, Source
from e5v.search.table_rows import Record
from e5v.search.thumbnails import Thumbnail
from e5v.search.writer import Writer

COMMIT_ROWS, COMMIT_SECONDS = 1_000, 30.0  # whichever comes first


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


class CommitQueue:
    """The entries of the next commit, which have vectors."""

    def __init__(self, writer: Writer, catalog: Catalog) -> None:
        self._writer, self._catalog = writer, catalog
        self._pending: list[Pending] = []
        self._committed_at = time.monotonic()

    def add(self, one: Pending) -> None:
        """Add an entry."""
        self._pending.append(one)

    @property
    def is_full(self) -> bool:
        """Whether enough entries wait for a commit."""
        return len(self._pending) >= COMMIT_ROWS

    @property
    def is_due(self) -> bool:
        """Whether enough entries wait, or the last commit was long ago."""
        return self.is_full or time.monotonic() - self._committed_at >= COMMIT_SECONDS

    def commit(self) -> list[int]:
        """Write the entries, and the catalog; return the numbers of the records they replace."""
        pending, self._pending = self._pending, []
        replaced: list[int] = []
        if pending:
            self._catalog.put_states({}, {one.source.path for one in pending})
            recalled = self._writer.recall([one.same_as for one in pending if one.same_as])
            records = [record_of(one, recalled) for one in pending]
            known = self._catalog.records.find_ids([one.entry.id for one in records])
            replaced = list(known.values())
            numbers = self._writer.commit(records, replaced)
            self._catalog.remove(replaced)
            for number, record in zip(numbers, records, strict=True):
                self._catalog.records.add(known_of(number, record))
        if not self._writer.is_holding:
            self._catalog.save()
        self._committed_at = time.monotonic()
        return replaced


def record_of(one: Pending, recalled: dict[int, Record]) -> Record:
    """Return the record to write; `recalled` are records of the same content, by number."""
    if one.vector is not None:
        return Record(_with_thumbnail(one.entry, _wait_for_thumbnail(one)), one.source, one.vector)
    old = recalled[one.same_as]
    entry = old.entry
    captured = Captured(entry.taken, entry.camera, entry.latitude, entry.longitude)
    picture = Thumbnail(entry.thumbnail, entry.width, entry.height, captured)
    return Record(_with_thumbnail(one.entry, picture), one.source, old.vector)


def _with_thumbnail(entry: Entry, picture: Thumbnail) -> Entry:
    content, width, height = picture.content, picture.width, picture.height
    captured = asdict(picture.captured)
    return replace(entry, thumbnail=content, width=width, height=height, **captured)


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
