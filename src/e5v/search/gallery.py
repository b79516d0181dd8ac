"""Follows folders: what is new or changed is embedded, what moved or went follows.

roots -> changes -> pieces -> content seen before: its vector again
                           -> new content: E5V -> vector       -> commits -> what is gone removed

Whatever a run has committed stays, however it ends, and the next run goes on from there: a file
counts as read when all its parts are there with its present size and time of change.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e5v.items import RawItem
from e5v.model.embedder import E5V
from e5v.model.streaming import Encoded, Skipped
from e5v.search.changes import Changes, compare, weight
from e5v.search.entries import Entry
from e5v.search.faults import Fault, read_faults, write_faults
from e5v.search.query import PROMPT
from e5v.search.reading import Piece, read
from e5v.search.sources import Known, Ledger, Source
from e5v.search.thumbnails import Thumbnail, thumbnail
from e5v.search.walking import Unlisted
from e5v.search.writer import Record, Writer

COMMIT_ROWS, COMMIT_SECONDS = 1_000, 30.0  # whichever comes first
THUMBNAIL_WORKERS = 2


@dataclass(frozen=True)
class Progress:
    """How far a run is. `total` is a guess until every file was read; all else is counted.

    `cut` counts texts too long for the model; `seconds` is how long the look at the folders took.
    """

    total: int = 0
    done: int = 0
    embedded: int = 0
    reused: int = 0
    removed: int = 0
    unchanged: int = 0
    cut: int = 0
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return bool(self.embedded or self.reused or self.removed)


@dataclass(frozen=True)
class Pending:
    """An entry that gets a vector: of its own, or that of the record numbered `same_as`.

    A thousand of these wait for a commit, so the content is not kept; `picture` comes by then.
    """

    entry: Entry
    source: Source
    picture: Future[Thumbnail] | None = None
    vector: NDArray[np.float32] | None = None
    same_as: int = 0

    def fault(self, reason: str) -> Fault:
        """Say why it could not be embedded."""
        one = self.entry
        return Fault(self.source, one.part, one.path, one.size, one.mtime, reason)


class Gallery:
    """An index that follows folders, with the model that embeds for it.

    The model is opened when there is something to embed. Not for use by two threads at once.
    `faults` and `unlisted` say what could not be indexed.
    """

    def __init__(self, writer: Writer, model: Callable[[], E5V]) -> None:
        self._writer = writer
        self._model = model
        self._ledger = Ledger.of(writer.known())
        self._faults: dict[str, list[Fault]] = {}
        for fault in read_faults(writer.folder):
            self._faults.setdefault(fault.source.path, []).append(fault)
        self.unlisted: tuple[Unlisted, ...] = ()
        self._begin(Changes((), (), (), (), 0), 0.0)

    @property
    def faults(self) -> list[Fault]:
        """What could not be embedded, now and before."""
        return [fault for faults in self._faults.values() for fault in faults]

    def _begin(self, changes: Changes, seconds: float) -> None:
        self.unlisted = changes.unlisted
        self._progress = Progress(changes.weight, unchanged=changes.unchanged, seconds=seconds)
        self._pending: list[Pending] = []
        self._waiting: deque[Pending] = deque()  # given to the model, not yet answered
        self._stale: dict[str, Known] = {known.id: known for known in changes.gone}
        self._committed_at = time.monotonic()
        self._all_fed, self._faults_changed = not changes.fresh, False
        for path in changes.cured:
            del self._faults[path]
            self._faults_changed = True

    def follow(
        self, roots: Sequence[str], *, emptied: bool = False
    ) -> Generator[Progress, None, None]:
        """Bring the index up to date with folders; yield now and then how far it is.

        Files that were indexed and are gone from a folder are removed from the index, too. A folder
        that is empty as a whole is taken for a disk that is not there, unless `emptied`; then one
        that is gone itself is no longer followed. Close what is not gone through to its end.

        Raises:
            DataError: a folder is empty that was not.
            ModelError: the model gave values that are not finite.
        """
        begun = time.monotonic()
        changes = compare(roots, self._ledger, self._faults, emptied=emptied)
        self._begin(changes, time.monotonic() - begun)
        self._writer.follow([root for root in roots if root not in changes.lost])
        yield self._progress
        with ThreadPoolExecutor(THUMBNAIL_WORKERS, thread_name_prefix="e5v-thumbnail") as pool:
            pieces = self._pieces(changes)
            try:
                while not self._all_fed:
                    yield from self._embed(pieces, pool)
            finally:  # also when interrupted: what was embedded is kept
                self._commit()
            self._sweep()
            self._writer.forget(changes.lost)
            yield self._progress

    def _pieces(self, changes: Changes) -> Iterator[Piece]:
        """Read what changed; note what cannot be read, and what a file no longer tells of."""
        for found in changes.fresh:
            self._drop_faults(found.path)
            stale = {known.id: known for known in self._ledger.of_source(found.path)}
            count = 0
            for one in read(found):
                if isinstance(one, Fault):
                    self._add_fault(one)
                    continue
                count += 1
                stale.pop(one.id, None)
                yield one
            self._stale |= stale
            self._count(total=count - weight(found))

    def _embed(self, pieces: Iterator[Piece], pool: ThreadPoolExecutor) -> Iterator[Progress]:
        stream = self._model().encode_iter(self._feed(pieces, pool), prompt=PROMPT, on_error="skip")
        for result in stream:
            self._settle(self._waiting.popleft(), result)
            if self._is_due():
                self._commit()
            yield self._progress
        if self._is_due():
            self._commit()
        yield self._progress

    def _feed(self, pieces: Iterator[Piece], pool: ThreadPoolExecutor) -> Iterator[RawItem]:
        """Give the model what is new; stop where much that is not waits to be written."""
        for piece in pieces:
            same = self._ledger.by_digest.get(piece.digest)
            if same is not None:
                self._pending.append(Pending(_entry(piece), piece.source, same_as=same.number))
                self._count(done=1, reused=1)
                if len(self._pending) >= COMMIT_ROWS and not self._waiting:
                    return
                continue
            if isinstance(piece.content, bytes):
                picture = pool.submit(thumbnail, piece.content)
                self._waiting.append(Pending(_entry(piece), piece.source, picture))
                yield piece.content
            else:
                self._waiting.append(Pending(_entry(piece), piece.source))
                yield {"text": piece.content}
        self._all_fed = True

    def _settle(self, asked: Pending, result: Encoded | Skipped) -> None:
        if isinstance(result, Encoded):
            self._pending.append(replace(asked, vector=result.vector))
            self._count(done=1, embedded=1, cut=int(result.cut))
            return
        cause = getattr(result.error, "cause", str(result.error))
        self._add_fault(asked.fault(cause.removeprefix(f"<{asked.entry.size} bytes> ")))
        known = self._ledger.by_id.get(asked.entry.id)
        if known is not None:
            self._stale[known.id] = known
        self._count(done=1)

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._committed_at
        return len(self._pending) >= COMMIT_ROWS or waited >= COMMIT_SECONDS

    def _commit(self) -> None:
        """Write what has a vector, in place of what was there before."""
        pending, self._pending = self._pending, []
        if pending:
            recalled = self._writer.recall([one.same_as for one in pending if one.same_as])
            records = [_record(one, recalled) for one in pending]
            ids = [record.entry.id for record in records]
            replaced = [self._ledger.by_id[id].number for id in ids if id in self._ledger.by_id]
            numbers = self._writer.commit(records, replaced)
            for number, record in zip(numbers, records, strict=True):
                self._ledger.add(_known(number, record))
                self._stale.pop(record.entry.id, None)
        self._save_faults()
        self._committed_at = time.monotonic()

    def _sweep(self) -> None:
        """Remove what is gone, now that what moved has its vector in the new place."""
        gone = [known for known in self._stale.values() if known.id in self._ledger.by_id]
        if gone:
            self._writer.commit([], [known.number for known in gone])
            for known in gone:
                self._ledger.remove(known)
            self._count(removed=len(gone))
        self._save_faults()

    def _add_fault(self, fault: Fault) -> None:
        self._faults.setdefault(fault.source.path, []).append(fault)
        self._faults_changed = True

    def _drop_faults(self, path: str) -> None:
        if self._faults.pop(path, None):
            self._faults_changed = True

    def _save_faults(self) -> None:
        if self._faults_changed:
            write_faults(self._writer.folder, self.faults)
            self._faults_changed = False

    def _count(self, **more: int) -> None:
        so_far = {name: getattr(self._progress, name) + count for name, count in more.items()}
        self._progress = replace(self._progress, **so_far)


def _record(one: Pending, recalled: dict[int, Record]) -> Record:
    if one.vector is not None:
        return Record(_shown(one.entry, _picture(one)), one.source, one.vector)
    old = recalled[one.same_as]
    picture = Thumbnail(old.entry.thumbnail, old.entry.width, old.entry.height)
    return Record(_shown(one.entry, picture), one.source, old.vector)


def _shown(entry: Entry, picture: Thumbnail) -> Entry:
    return replace(entry, thumbnail=picture.content, width=picture.width, height=picture.height)


def _picture(one: Pending) -> Thumbnail:
    try:
        return one.picture.result() if one.picture else Thumbnail(b"", 0, 0)
    except Exception:  # what Pillow raises on odd bytes; the model read them
        return Thumbnail(b"", 0, 0)


def _entry(piece: Piece) -> Entry:
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


def _known(number: int, record: Record) -> Known:
    entry = record.entry
    place = entry.id, entry.path, entry.kind, entry.part
    return Known(number, record.source, *place, entry.size, entry.mtime, entry.digest)
