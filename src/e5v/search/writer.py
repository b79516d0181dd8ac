"""The writer of an index: one process at a time, in commits that are flushed to disk.

records + vectors -> signs.py -> entry_table.py -> replaced records removed -> fsync -> acknowledged

An index is valid even if the writer is killed between any two of these steps: signs without a
record are ignored, and of two records with the same id the later is current; the next writer
removes the other. What is written `at_once` is held back, and is then one such commit.
"""

import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e5v.extras import imported
from e5v.files import remove_temporary
from e5v.search.catalog import FAULTS
from e5v.search.entry_table import Table
from e5v.search.held_rows import HeldRows, discard, read_rows, read_vectors, take_vectors
from e5v.search.index_folder import IndexFolder, Workspace
from e5v.search.locating import open_folder
from e5v.search.manifest import FILE as MANIFEST
from e5v.search.manifest import Manifest, is_current, read_manifest, write_manifest
from e5v.search.marks import FILE as MARKS
from e5v.search.records import Known
from e5v.search.signs import PREFIX, Signs, append, rebuild
from e5v.search.table_rows import COLUMNS, LEDGER, SOURCE, Record, describe, known_of, record_of

with imported("an index"):
    import pyarrow as pa

# Entries from which LanceDB's own index is used. A search by signs takes 5 ms for 200,000 x 1,024
# and 12 ms for 1,000,000 x 256; LanceDB's index 6 and 8 ms, and it finds as many of the nearest.
MANY = 500_000
SOME_COMMITS = 16  # small fragments worth joining
TIDY_SECONDS = 60.0
READ = 4_096  # records at once
LEAST_REMOVED = 1_000  # signs without a record that are worth a rebuild
OLD_VECTORS = "rows-"  # folders of format 2: a second copy of the vectors


class Writer:
    """The only writer of an index folder; `writing` makes one."""

    def __init__(self, workspace: Workspace, manifest: Manifest) -> None:
        self._workspace = workspace
        folder = self.folder = workspace.path
        self.manifest = manifest
        self._table = Table.create(folder, manifest.dim)
        self._held: HeldRows | None = None
        self._signs = Signs.read(folder)
        self._commits = self._since = 0
        self._tidied_at = -TIDY_SECONDS
        numbers = self._repair()
        self._count = len(numbers)
        last = [int(some[-1]) for some in (numbers, self._written) if len(some)]
        self._next = max(max(last, default=0) + 1, workspace.next_row)

    def __len__(self) -> int:
        """Return the number of entries."""
        return self._count

    @property
    def _written(self) -> NDArray[np.int64]:
        return np.zeros(0, np.int64) if self._signs is None else self._signs.numbers

    def _repair(self) -> NDArray[np.int64]:
        """Remove what a killed writer left, make missing signs again; return record numbers."""
        live = self._table.live()
        if len(self._table) > len(live):
            self._table.remove(np.setdiff1d(self._table.numbers(), live.numbers).tolist())
        if self._signs is not None and self._signs.rows(live.numbers) is None:
            self._signs = None
        if self._signs is None and len(live):
            self._rebuild_signs()
        self._table.sync()
        return live.numbers

    def ledger(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield columns of all records, some records at a time."""
        return self._table.scan(columns)

    def known(self) -> Iterator[Known]:
        """Yield all records, ordered by number."""
        numbers = np.sort(self._table.numbers())
        for start in range(0, len(numbers), READ):
            yield from self.read(numbers[start : start + READ])

    def read(self, numbers: NDArray[np.int64]) -> list[Known]:
        """Return records by number, in the order given."""
        return [*map(known_of, read_rows(self._table, self._held, numbers, LEDGER))]

    def recall(self, numbers: Sequence[int]) -> dict[int, Record]:
        """Return existing records by number, to write them again under another path."""
        if not numbers:
            return {}
        wanted = np.array(sorted(set(numbers)), np.int64)
        records = read_rows(self._table, self._held, wanted, ("row", *SOURCE, *COLUMNS))
        vectors = read_vectors(self._table, self._held, wanted)
        pairs = zip(records, vectors, strict=True)
        return {one["row"]: record_of(one, vector) for one, vector in pairs}

    def captions(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the texts of existing records, by number."""
        stored = read_rows(self._table, self._held, np.array(numbers, np.int64), ("row", "text"))
        return {record["row"]: record["text"] for record in stored}

    def follow(self, roots: Collection[str]) -> None:
        """Add folders to those that are followed."""
        fresh = tuple(root for root in roots if root not in self.manifest.roots)
        self.remember(roots=(*self.manifest.roots, *fresh))

    def unfollow(self, roots: Collection[str]) -> None:
        """Stop following folders."""
        self.remember(roots=tuple(root for root in self.manifest.roots if root not in roots))

    def remember(self, **changes: Any) -> None:
        """Change fields of the manifest."""
        fresh = replace(self.manifest, **changes)
        if fresh != self.manifest:
            self.manifest = fresh
            if self._held is None:
                write_manifest(self.folder, fresh)

    @property
    def is_holding(self) -> bool:
        """Whether all that is written is held back, for one commit."""
        return self._held is not None

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Hold back all that is written in the block, and commit it at its end, as one.

        If the block fails, or the process is killed, the index is as it was.
        """
        before = self.manifest, self._count
        self._held = held = HeldRows(self.folder, self._next)
        try:
            yield
            self._held = None
            if self.manifest != before[0]:
                write_manifest(self.folder, self.manifest)
            self._release(held)
        except BaseException:
            self.manifest, self._count = before
            raise
        finally:
            self._held = None
            discard(self.folder)

    def _release(self, held: HeldRows) -> None:
        """Commit what was held back."""
        if self._next > held.first:
            for batch in held.batches():
                self._add_signs(batch["row"].to_numpy(), take_vectors(batch))
            self._table.add_batches(held.batches())
        if self._next > held.first or held.gone:
            self._finish_commit(one for one in held.gone if one < held.first)

    def commit(self, records: Sequence[Record], gone: Collection[int]) -> list[int]:
        """Write records, remove those with numbers in `gone`, and flush to disk.

        Returns the numbers of the new records, in order. Within `at_once` all this is held back.
        """
        numbers = np.arange(self._next, self._next + len(records), dtype=np.int64)
        if records:
            vectors = np.stack([one.vector for one in records]).astype(np.float16)
            rows = [describe(int(n), one) for n, one in zip(numbers, records, strict=True)]
            if self._held is None:
                self._add_signs(numbers, vectors)
                self._table.add(rows, vectors)
            else:
                self._held.add(self._table.make_rows(rows, vectors))
            self._next += len(records)
        self._count += len(records) - len(gone)
        if self._held is None:
            self._finish_commit(gone)
        else:
            self._held.gone.update(gone)
        return numbers.tolist()

    def _add_signs(self, numbers: NDArray[np.int64], vectors: NDArray[np.float16]) -> None:
        if self._signs is None:
            self._signs = rebuild(
                self.folder, numbers, lambda start, end: vectors[start:end], self.manifest.dim
            )
        else:
            self._signs = append(self._signs, numbers, vectors)

    def _finish_commit(self, gone: Iterable[int]) -> None:
        self._table.remove(sorted(gone))
        self._table.sync()
        self._commits += 1
        self._keep_tidy()
        self.publish()

    def update(self, known: Sequence[Known]) -> None:
        """Write size, mtime and part of existing records, and the state of their sources."""
        self._table.update(known)
        self._table.sync()

    def publish(self) -> None:
        """Let readers on other machines see what is written, if the index is on an object store.

        Raises:
            DataError: the store cannot be written, or another writer has taken over.
        """
        self._workspace.publish(self._next)

    def _keep_tidy(self) -> None:
        """Join fragments or rebuild signs if the index has doubled or lost many records."""
        signs = self._signs
        if (
            signs is not None
            and self._count
            and (
                self._count > 2 * signs.fitted
                or len(signs.numbers) > self._count + max(LEAST_REMOVED, self._count // 2)
            )
        ):
            self._rebuild_signs()
        if self._commits - self._since >= max(SOME_COMMITS, self._since):
            self._since = self._commits
            self.optimize()

    def tidy(self) -> None:
        """Free the space of old versions and removed records if it is large; at most once a minute.

        Call it even if nothing was written: versions are kept for readers for some minutes, and can
        be removed only after that.
        """
        now = time.monotonic()
        if now - self._tidied_at >= TIDY_SECONDS:
            self._tidied_at = now
            wants_index = self._count >= MANY and self._table.lacks_index
            if wants_index or self._table.is_untidy():
                self.optimize()
        self.publish()

    def optimize(self) -> None:
        """Join small fragments; make LanceDB's index of the vectors if there are many."""
        self._table.optimize()
        if self._count >= MANY and self._table.lacks_index:
            self._table.make_index()
        self._table.sync()

    def _rebuild_signs(self) -> None:
        live = self._table.live()
        self._signs = rebuild(
            self.folder,
            live.numbers,
            lambda start, end: self._table.vectors(live.addresses[start:end]),
            self.manifest.dim,
        )


@contextmanager
def writing(place: Path | IndexFolder, manifest: Callable[[], Manifest]) -> Iterator[Writer]:
    """Open the writer of an index; a new index is made with `manifest()`.

    Raises:
        DataError: another process is writing, or the index has another format.
    """
    with open_folder(place).writing() as workspace:
        folder = workspace.path
        _remove_temporary(folder)
        there = read_manifest(folder)
        if there is None:
            there = manifest()
            Table.create(folder, there.dim)
            write_manifest(folder, there)
        elif not is_current(folder):
            Table.create(folder, there.dim)  # with the columns that it lacks
            write_manifest(folder, there)  # of this format, which earlier versions do not open
        writer = Writer(workspace, there)
        _remove_old_vectors(folder)
        writer.publish()
        try:
            yield writer
        finally:  # also when interrupted: what was embedded is kept
            writer.publish()


def _remove_old_vectors(folder: Path) -> None:
    """Convert an index of format 2, whose table has all vectors: remove the other copy of them."""
    for path in folder.glob(f"{OLD_VECTORS}*"):
        shutil.rmtree(path, ignore_errors=True)


def _remove_temporary(folder: Path) -> None:
    """Remove temporary files of a killed writer."""
    discard(folder)
    for name in (MANIFEST, FAULTS, MARKS, PREFIX, OLD_VECTORS):
        remove_temporary(folder, name)
