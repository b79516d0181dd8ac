"""Update an index incrementally: new and changed files are embedded, unchanged ones are skipped.

roots -> changes -> pieces -> unchanged: nothing is written
                           -> content seen before: its vector is reused
                           -> new content: E5V -> vector  -> commits -> stale records are removed

Runs are resumable: what a run has committed stays, and the next run continues from there. A file
counts as read when all its parts have records with its present size and mtime.

An entry whose file is missing is kept offline for some time: searches skip it, and if the file
returns, under its old path or a new one, it is not embedded again. It is removed at once if its
content has another entry.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime

from e5v.files import FileState
from e5v.inputs import Image, RawItem
from e5v.media.decoder import Decoder
from e5v.model.encoded import Encoded, Skipped
from e5v.model.image_files import UnreadableError
from e5v.search.catalog import Catalog, Fault
from e5v.search.diff import Changes, compare, weight
from e5v.search.exclusion import Exclusion
from e5v.search.index_model import Embedder
from e5v.search.manifest import PROMPT
from e5v.search.matching import Plan, match
from e5v.search.media_readers import MediaReader
from e5v.search.pending import CommitQueue, Pending, entry_of
from e5v.search.pieces import Piece
from e5v.search.progress import Progress
from e5v.search.readers import read_pieces
from e5v.search.reading import Reading
from e5v.search.records import Known
from e5v.search.rereading import make_empty_fault, reread
from e5v.search.scan import FoundFile, is_missing, within
from e5v.search.scope import Scope
from e5v.search.state_updates import StateUpdates
from e5v.search.thumbnails import count_workers, thumbnail
from e5v.search.writer import Writer

DAY = 86_400  # seconds


class FolderSync:
    """An index that follows folders, with the model that embeds for it.

    The model is opened when there is something to embed. Not thread-safe. With `at_once`, a run is
    one commit, an interrupted one changes nothing, and of files only images, texts and JSON lines
    are read. `changes` is how the folders last compared.
    """

    def __init__(
        self, writer: Writer, model: Callable[[], Embedder], *, at_once: bool = False
    ) -> None:
        self._writer, self._model, self._at_once = writer, model, at_once
        self._catalog = Catalog(writer.folder, writer)
        self._decoder = Decoder()
        self._reset(Changes(), 0.0)

    @property
    def faults(self) -> list[Fault]:
        """What could not be embedded, in this run and before."""
        return [fault for faults in self._catalog.faults.values() for fault in faults]

    @property
    def offline(self) -> int:
        """How many entries are kept though their files are missing."""
        return len(self._catalog.marks.missing)

    @property
    def exclusion(self) -> Exclusion:
        """The patterns of excluded files, and of the only ones that are kept."""
        return Exclusion(self._writer.manifest.exclude, self._writer.manifest.include)

    @property
    def kept_until(self) -> datetime | None:
        """When the first offline entry will be removed; None if there are none."""
        missing = self._catalog.marks.missing
        days = self._writer.manifest.keep_days
        return datetime.fromtimestamp(min(missing.values()) + days * DAY) if missing else None

    def _reset(self, changes: Changes, seconds: float) -> None:
        self.changes = changes
        self._progress = Progress(changes.weight, unchanged=changes.unchanged, seconds=seconds)
        self._queue = CommitQueue(self._writer, self._catalog)
        self._updates = StateUpdates(self._writer, self._catalog)
        self._waiting: deque[Pending] = deque()  # given to the model, not yet answered
        self._stale = set(changes.gone)  # numbers of records to remove
        self._marked: set[int] = set()  # numbers of records found missing in this run
        self._states: dict[str, FileState] = {}  # of files with records of missing images
        self._all_fed, self._forget = not changes.fresh, False
        for path in changes.cured:
            self._catalog.drop_faults(path)

    def follow(
        self, roots: Sequence[str], *, forget: bool = False
    ) -> Generator[Progress, None, None]:
        """Update the index from folders; yield the progress now and then.

        Entries whose files are missing are kept offline, for the `keep_days` of its manifest. With
        `forget` they are removed at once, and missing roots are no longer followed. Close the
        generator if you do not run it to its end.

        Raises:
            ModelError: the model returned non-finite values.
        """
        begun = time.monotonic()
        if forget:
            lost = [root for root in roots if is_missing(root)]
            self._writer.unfollow(lost)
            roots = [root for root in roots if root not in lost]
        manifest = self._writer.manifest
        reading = Reading(self._at_once, manifest.reread)
        changes = compare(Scope(roots, manifest.roots, self.exclusion), self._catalog, reading)
        self._reset(changes, time.monotonic() - begun)
        with self._decoder, self._writer.at_once() if self._at_once else nullcontext():
            self._writer.follow(roots)
            self._mark(changes, forget=forget)
            yield self._progress
            yield from self._write(changes)
            if not self._at_once:
                self._updates.write()
            left = self._sweep()
            if not self._at_once and self._covers_all(roots):
                self._writer.remember(reread=())
        self._updates.finish(self._states, left)  # what was held back is in the table now
        self._writer.publish()
        yield self._progress

    def _covers_all(self, roots: Sequence[str]) -> bool:
        """Return whether all that is followed is in some roots."""
        followed = self._writer.manifest.roots
        return all(any(within(one, root) for root in roots) for one in followed)

    def _write(self, changes: Changes) -> Iterator[Progress]:
        workers = count_workers(alone=self._at_once)
        with ThreadPoolExecutor(workers, thread_name_prefix="e5v-thumbnail") as pool:
            pieces = self._pieces(changes)
            try:
                while not self._all_fed:
                    yield from self._embed(pieces, pool)
            finally:  # also when interrupted: what was embedded is kept
                self._commit()

    def _mark(self, changes: Changes, *, forget: bool) -> None:
        """Mark missing and returned files at once, not after hours of embedding."""
        self._forget = forget
        for number in changes.missing:
            self._mark_missing(number)
        for number in changes.present:
            self._count(returned=self._catalog.mark_present(number))
        for path in changes.emptied:
            if any(one.number not in self._stale for one in self._catalog.records.of_source(path)):
                self._catalog.add_fault(make_empty_fault(path))
        if not self._at_once:
            self._catalog.save()

    def _mark_missing(self, number: int) -> None:
        """Mark an entry as offline, or as stale if it has been so for `keep_days`."""
        now = int(time.time())
        since = self._catalog.marks.missing.get(number, now)
        if self._forget or since <= now - self._writer.manifest.keep_days * DAY:
            self._stale.add(number)
        elif self._catalog.mark_missing(number, now):
            self._marked.add(number)
            self._count(offline=1)

    def _pieces(self, changes: Changes) -> Iterator[Piece]:
        """Read changed files; yield the pieces that need a record, and record faults."""
        manifest = self._writer.manifest
        media = None
        if not self._at_once:
            media = MediaReader(self._decoder, manifest.pages, manifest.frames)
        for found in changes.fresh:
            told = self._catalog.drop_faults(found.path)
            known = self._catalog.records.of_source(found.path)
            unchanged = self._catalog.unchanged(known)
            named = [one.number for one in known if one.kind == "image" and one.part]
            captions = self._writer.captions(named)
            parts: Iterable[Piece | Fault] = ()
            if known:
                parts = reread(found, unchanged, told, media)
                plan = match(known, captions, parts)
            else:
                plan, parts = Plan(), read_pieces(found, unchanged, media)
            count = kept = 0
            for one in parts:
                if isinstance(one, Fault):
                    self._catalog.add_fault(one)
                    continue
                count += 1
                record = plan.record_of(one)
                self._updates.note(one.path)
                if record is None:
                    yield plan.named(one)
                else:
                    kept += 1
                    self._keep(record, one, plan)
            self._settle_records(found, plan)
            self._count(total=count - weight(found), done=kept)

    def _keep(self, record: Known, piece: Piece, plan: Plan) -> None:
        self._catalog.move(record, piece.part)
        if not plan.unfinished:
            self._updates.add(record, piece)
        if self._catalog.mark_present(record.number):
            self._count(returned=1)

    def _settle_records(self, found: FoundFile, plan: Plan) -> None:
        """Mark the missing and stale records of a file that was read."""
        for known in plan.missing:
            self._mark_missing(known.number)
        self._stale |= {known.number for known in plan.stale}
        retried = any(one.is_retried for one in self._catalog.faults.get(found.path, ()))
        if plan.missing and not retried:
            self._states[found.path] = FileState(found.size, found.mtime)
        self._updates.note(found.path)
        if self._updates.are_many and not self._at_once:
            self._updates.write()

    def _embed(self, pieces: Iterator[Piece], pool: ThreadPoolExecutor) -> Iterator[Progress]:
        feed = self._feed(pieces, pool)
        stream = self._model().encode_iter(feed, prompt=PROMPT, side="document", on_error="skip")
        for result in stream:
            self._settle(self._waiting.popleft(), result)
            if self._queue.is_due:
                self._commit()
            yield self._progress
        if self._queue.is_due:
            self._commit()
        yield self._progress

    def _feed(self, pieces: Iterator[Piece], pool: ThreadPoolExecutor) -> Iterator[RawItem]:
        """Yield new content for the model; stop when enough reused vectors wait for a commit."""
        for piece in pieces:
            same = self._catalog.records.find_digest(piece.digest)
            if same is not None:
                self._queue.add(Pending(entry_of(piece), piece.source, same_as=same))
                self._count(done=1, reused=1)
                if self._queue.is_full and not self._waiting:
                    return
                continue
            try:
                content = piece.load()
            except (OSError, UnreadableError) as error:  # removed since it was listed, or broken
                self._catalog.add_fault(Pending(entry_of(piece), piece.source).fault(str(error)))
                continue
            if isinstance(content, bytes):
                picture = pool.submit(thumbnail, content)
                self._waiting.append(Pending(entry_of(piece), piece.source, picture))
                yield Image(content, piece.path)
            else:
                self._waiting.append(Pending(entry_of(piece), piece.source))
                yield {"text": content}
        self._all_fed = True

    def _settle(self, asked: Pending, result: Encoded | Skipped) -> None:
        if isinstance(result, Encoded):
            self._queue.add(replace(asked, vector=result.vector))
            self._count(done=1, embedded=1, cut=int(result.cut))
            return
        cause = getattr(result.error, "cause", str(result.error))
        self._catalog.add_fault(asked.fault(cause.removeprefix(f"{asked.entry.path} ")))
        self._stale |= set(self._catalog.records.find_ids([asked.entry.id]).values())
        self._count(done=1)

    def _commit(self) -> None:
        """Write the entries that have vectors, replacing their old records."""
        self._stale.difference_update(self._queue.commit())

    def _sweep(self) -> set[str]:
        """Remove stale records, now that moved files have reused theirs; return their sources."""
        self._stale.update(self._catalog.superseded())
        gone = [number for number in sorted(self._stale) if self._catalog.records.has(number)]
        known = self._catalog.records.read(gone) if self._catalog.states else []
        if gone:
            self._writer.commit([], gone)
            self._catalog.remove(gone)
            again = len(self._marked.intersection(gone))  # moved, or a duplicate
            self._count(removed=len(gone), offline=-again)
        return {one.source.path for one in known}

    def _count(self, **more: int) -> None:
        so_far = {name: getattr(self._progress, name) + count for name, count in more.items()}
        self._progress = replace(self._progress, **so_far)
