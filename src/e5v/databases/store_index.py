"""Search an index in a database of vectors, as if it were a folder.

words, Query -> the model that the collection names -> query vector (d,)
query vector -> the database's nearest -> those that the filter matches -> Hit, nearest first

It has the methods of `e5v.search.index.Index` that searches and the page need; it writes nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from e5v.databases.conditions import And, Compare, Condition, loosen, matches, read_condition
from e5v.databases.database import VectorDatabase
from e5v.databases.opening import open_database, read_complete_facts
from e5v.databases.rows import Found, filtered_values
from e5v.databases.url import DatabaseUrl, read_url
from e5v.errors import E5VError, UsageError
from e5v.search.calibration import SAMPLE, Calibration, Scale
from e5v.search.entries import KINDS, Entry, Filters, Hit
from e5v.search.manifest import Manifest
from e5v.search.query_model import QueryModel
from e5v.search.search_arguments import (
    check_options,
    check_page,
    is_vector,
    read_query,
    read_vector,
)
from e5v.vectors import unit

if TYPE_CHECKING:
    from torch import Tensor

    from e5v.model.embedder import E5V
    from e5v.search.query import Query

DIRECT = 4_000_000  # values (rows x dimensions) up to which every row is compared
SAMPLED = 4 * SAMPLE  # rows that say what cosines mean
MOST = 16_384  # rows that are asked for, at most, because a filter matches few of the nearest


class StoreIndex:
    """A reader of a collection; `StoreIndex.open(url)` makes one. It is thread-safe."""

    def __init__(
        self, url: DatabaseUrl, database: VectorDatabase, model: "E5V | None" = None
    ) -> None:
        self.url = url
        self._database, self._facts = database, read_complete_facts(database, url)
        self._model = QueryModel(model)
        self._calibration: Calibration | None = None

    @classmethod
    def open(cls, store: str, *, model: "E5V | None" = None) -> "StoreIndex":
        """Open the collection of a URL, such as qdrant://localhost:6333/photos.

        Searches that need a model use `model`; by default the one that the collection names is
        opened at the first.

        Raises:
            UsageError: the URL cannot be understood, or there is no such collection.
            DataError: the database cannot be reached, or the collection is not complete.
            MissingExtraError: the database's client is not installed.
        """
        url = read_url(store)
        database = open_database(url)
        try:
            return cls(url, database, model)
        except E5VError:
            database.close()
            raise

    def close(self) -> None:
        """End the connection to the database."""
        self._database.close()

    @property
    def manifest(self) -> Manifest:
        """The metadata of the index that was exported, without its folders."""
        return self._facts.manifest

    @property
    def dim(self) -> int:
        """d, the width of a vector."""
        return self._facts.dim

    def __len__(self) -> int:
        """Return the number of entries."""
        return self._facts.rows

    def check(self, fingerprint: str, model: str, dtype: str) -> None:
        """Raise `DataError` unless a model's vectors can be compared with those stored."""
        self.manifest.check(Manifest(fingerprint, model, dtype, self.dim))

    def refresh(self) -> bool:
        """Read the collection's facts again; return whether it has changed.

        Raises:
            DataError: it is not complete, or was made again with another model.
            UsageError: it no longer exists.
        """
        facts = read_complete_facts(self._database, self.url)
        facts.manifest.check(self.manifest)
        before, self._facts = self._facts, facts
        if facts.run == before.run:
            return False
        self._calibration = None
        return True

    def kinds(self) -> dict[str, int]:
        """Count the entries of each kind."""
        return {kind: self._database.count(kind) for kind in KINDS}

    def search(
        self,
        query: "str | Query | NDArray[np.float32] | Tensor",
        *,
        k: int = 10,
        where: str | None = None,
        min_score: float | None = None,
        offline: bool = False,
    ) -> list[Hit]:
        """Find the `k` entries nearest to a query, nearest first: see `e5v.Index.search`.

        `offline` has no effect: entries whose files are missing are not exported.

        Raises:
            UsageError: the query or an option is out of range or of another type.
            DataError: the model is another one, or the database cannot be used.
        """
        del offline
        check_options(k, where, min_score)
        condition = None if where is None else read_condition(where)
        if not is_vector(query):
            from e5v.search.query import embed_query, find, load_stored_example

            asked = read_query(query, self.dim)
            stored = load_stored_example(self, asked)
            vectors = embed_query(self._model.open(self.manifest), asked, stored)
            return find(self, vectors, k=k, where=where, min_score=min_score)
        return self._hits(self._find(read_vector(query, self.dim), k, condition), min_score)

    def search_kinds(
        self, query: NDArray[np.float32], k: int, filters: Filters, scale: Scale
    ) -> list[Hit]:
        """Find the `k` best images and texts for a unit vector (d,), in the order of a scale.

        Raises:
            UsageError: the filter is invalid.
        """
        given = () if filters.where is None else (read_condition(filters.where),)
        hits = {
            kind: self._hits(
                self._find(query, k, And((*given, Compare("kind", "=", kind)))), filters.min_score
            )
            for kind in KINDS
        }
        order = scale.merge({kind: [hit.score for hit in some] for kind, some in hits.items()})
        return [hits[kind][place] for kind, place in order[:k]]

    def calibration(self) -> Calibration:
        """Return what cosines mean here; made when it is first asked for, until a new export."""
        made = self._calibration
        if made is None:
            ids, rows = self.vectors(SAMPLED)
            kinds = {entry.id: entry.kind for entry in self.entries(ids)}
            of_row = np.array([kinds.get(id, "") for id in ids], str)
            there = [kind for kind, count in self.kinds().items() if count]
            made = Calibration({kind: rows[of_row == kind] for kind in there})
            self._calibration = made
        return made

    def _hits(self, found: list[Found], min_score: float | None) -> list[Hit]:
        hits = [Hit(one.entry, min(one.score, 1.0)) for one in found]
        return [hit for hit in hits if min_score is None or hit.score >= min_score]

    def check_filter(self, where: str) -> None:
        """Raise `UsageError` if a filter is invalid."""
        read_condition(where)

    def _find(
        self, vector: NDArray[np.float32], k: int, condition: Condition | None
    ) -> list[Found]:
        """Find the nearest that fulfil a condition, also where the database checks part of it."""
        native = None if condition is None else loosen(condition, self._database.is_native)
        exact, asked = len(self) * self.dim <= DIRECT, k
        while True:
            found = self._database.search(vector, asked, native, exact=exact)
            kept = found
            if condition is not None and native != condition:
                kept = [one for one in found if matches(condition, filtered_values(one.entry))]
            if len(kept) >= k or len(found) < asked:
                break
            if asked == MOST:
                raise UsageError(
                    f"the filter matches {len(kept)} of the {MOST:,} nearest, and "
                    f"{self.url.engine.title} cannot check all of it; add a condition that it can, "
                    "such as =, or LIKE '%text%'",
                    argument="where",
                )
            asked = min(4 * asked, MOST)
        return sorted(kept, key=lambda one: (-one.score, one.number))[:k]

    def get(self, id: str) -> Entry | None:
        """Return the entry with that id, or None."""
        return next(iter(self._database.entries([id])), None)

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return the entries with these ids, in their order; unknown ids are skipped."""
        found = {entry.id: entry for entry in self._database.entries(ids)}
        return [found[id] for id in ids if id in found]

    def newest(
        self,
        kind: str | None = None,
        limit: int = 100,
        offset: int = 0,
        *,
        where: str | None = None,
        oldest: bool = False,
    ) -> list[Entry]:
        """Return entries by the time their files were changed, newest first: see `e5v.Index`.

        With a filter, or for the oldest, the 16,384 newest are looked through.

        Raises:
            UsageError: there is no such kind, a number is negative, or the filter is invalid.
        """
        check_page(kind, limit, offset)
        condition = None if where is None else read_condition(where)
        count = MOST if oldest or condition is not None else offset + limit
        found = self._database.newest(kind, count) if limit else []
        if condition is not None:
            found = [one for one in found if matches(condition, filtered_values(one.entry))]
        found.sort(key=lambda one: (-one.entry.mtime, one.number), reverse=oldest)
        return [one.entry for one in found[offset : offset + limit]]

    def vector(self, id: str) -> NDArray[np.float32] | None:
        """Return the vector (d,) of the entry with that id, or None."""
        found = self._database.vectors([id]).get(id)
        return None if found is None else unit(found)

    def vectors(self, limit: int | None = None) -> tuple[list[str], NDArray[np.float32]]:
        """Return ids and vectors (n, d) of all entries, or of `limit` spread over them."""
        count = len(self) if limit is None else min(limit, len(self))
        found = self._database.vectors(self._database.sample(count) if count else [])
        if not found:
            return [], np.zeros((0, self.dim), np.float32)
        return list(found), unit(np.stack(list(found.values())))
