"""Export an index to a database of vectors, or to a Parquet file.

index -> blocks of rows -> those whose stamp is new -> the collection; the rest is removed
      -> a mark that it is complete, written last

A row's key is made of its id, and its stamp of its content. So a run that was stopped is continued
by the next, a second run sends what has changed, and no row is there twice.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex

import numpy as np
from numpy.typing import NDArray

from e5v.databases.database import Facts, VectorDatabase
from e5v.databases.opening import open_database
from e5v.databases.rows import Row
from e5v.databases.url import DatabaseUrl, read_url
from e5v.errors import DataError
from e5v.model.opening import kept_options
from e5v.search.entry_blocks import Block, EntryBlocks
from e5v.search.index_folder import IndexFolder
from e5v.search.manifest import PROMPT, Manifest

VALUES = 2**20  # of vectors, in one batch
MOST_ROWS = 1_000


@dataclass(frozen=True)
class ExportProgress:
    """How far an export is: rows seen of the index, of `total`; rows sent, and removed."""

    rows: int
    total: int
    sent: int = 0
    removed: int = 0


def export(
    index: str | Path | IndexFolder, store: str, *, thumbnails: bool = True
) -> Generator[ExportProgress]:
    """Bring a collection of a database up to date with an index; yield the progress.

    Args:
        index: the folder of the index, or its URL at an object store.
        store: the URL of the collection, such as qdrant://localhost:6333/photos; made if missing.
        thumbnails: whether to store them: pages and terminals show them.

    Raises:
        UsageError: the URL cannot be understood.
        DataError: the index or the database cannot be used, or the collection is of another model,
            or not of e5v.
    """
    url = read_url(store)
    blocks = EntryBlocks.open(index)
    with closing(open_database(url, create=True)) as database:
        yield from export_blocks(blocks, database, url, thumbnails=thumbnails)


def export_blocks(
    blocks: EntryBlocks, database: VectorDatabase, url: DatabaseUrl, *, thumbnails: bool = True
) -> Generator[ExportProgress]:
    """Bring an open collection up to date; see `export`."""
    facts = database.read_facts()
    if facts is not None:
        _check(facts, blocks.manifest, url)
    is_new = facts is None
    copy = _Copy(database, url, facts or make_facts(blocks.manifest))
    if facts is None:
        database.create(copy.facts)
    done = ExportProgress(0, len(blocks))
    yield done
    seen = []
    for block in blocks.read(batch_rows(blocks.manifest.dim)):
        rows = _read_rows(block, thumbnails=thumbnails)
        seen.append(np.array([_short_key(row.entry.id) for row in rows], np.uint64))
        sent = copy.send(rows, is_new=is_new)
        done = replace(done, rows=done.rows + len(rows), sent=done.sent + sent)
        yield done
    removed = copy.remove_others(np.concatenate(seen) if seen else np.zeros(0, np.uint64))
    copy.finish(len(blocks))
    yield replace(done, removed=removed)


def batch_rows(dim: int) -> int:
    """Return how many rows to handle at once, of vectors (d,)."""
    return max(1, min(MOST_ROWS, VALUES // dim))


def make_facts(manifest: Manifest) -> Facts:
    """Return the facts of an export that begins."""
    return Facts(
        fingerprint=manifest.fingerprint,
        model=manifest.model,
        dim=manifest.dim,
        prompt=PROMPT,
        run=token_hex(8),
        **kept_options(manifest),
    )


def _check(facts: Facts, manifest: Manifest, url: DatabaseUrl) -> None:
    """Raise `DataError` unless a collection has vectors of the index's model."""
    if (facts.fingerprint, facts.dim) != (manifest.fingerprint, manifest.dim):
        raise DataError(
            f"{url} has vectors of {facts.model} (fingerprint {facts.fingerprint[:8]}, "
            f"{facts.dtype}), but those of the index are of {manifest.model} (fingerprint "
            f"{manifest.fingerprint[:8]}, {manifest.dtype}); export to another collection",
            argument="to",
        )


def _read_rows(block: Block, *, thumbnails: bool) -> list[Row]:
    rows = [Row(*one) for one in zip(block.numbers, block.entries, block.vectors, strict=True)]
    return rows if thumbnails else [row.without_thumbnail() for row in rows]


def _short_key(id: str) -> int:
    """Return 64 bits of an id: 8 bytes a row in memory tell the rows that the index has."""
    return int.from_bytes(blake2b(id.encode(), digest_size=8).digest(), "little")


class _Copy:
    """An export that runs: `facts` are what the collection says of itself by now."""

    def __init__(self, database: VectorDatabase, url: DatabaseUrl, facts: Facts) -> None:
        self.facts = facts
        self._database, self._url = database, url
        self._marked = False

    def send(self, rows: list[Row], *, is_new: bool) -> int:
        """Write the rows whose stamps are not there; return how many."""
        ids = [row.entry.id for row in rows]
        there = {} if is_new else self._database.stamps(ids)
        changed = [row for row in rows if there.get(row.entry.id) != row.stamp]
        if changed:
            self._mark()
            self._database.upsert(changed)
        return len(changed)

    def remove_others(self, seen: NDArray[np.uint64]) -> int:
        """Remove rows that the index does not have; return how many."""
        if self._database.count() == len(seen):
            return 0
        known, removed = np.sort(seen), 0
        for page in self._database.ids():
            keys = np.array([_short_key(id) for id in page], np.uint64)
            gone = [id for id, there in zip(page, np.isin(keys, known), strict=True) if not there]
            if gone:
                self._mark()
                self._database.delete(gone)
                removed += len(gone)
        return removed

    def _mark(self) -> None:
        """Say, before the first change, that the collection is not complete."""
        if not self._marked:
            self.facts = replace(self.facts, run=token_hex(8), complete=False)
            self._database.write_facts(self.facts)
            self._marked = True

    def finish(self, rows: int) -> None:
        """Say that the collection is complete.

        Raises:
            DataError: another export has begun meanwhile.
        """
        if self.facts.complete and not self._marked:
            return
        self._database.finish()
        there = self._database.read_facts()
        if there is None or there.run != self.facts.run:
            raise DataError(f"another export to {self._url} runs; wait for it, and run this again")
        if (count := self._database.count()) != rows:
            raise DataError(
                f"{self._url} has {count:,} rows where {rows:,} are expected; run the export again"
            )
        self.facts = replace(self.facts, rows=rows, complete=True)
        self._database.write_facts(self.facts)
