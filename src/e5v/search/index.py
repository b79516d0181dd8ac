"""What was indexed, and what of it is nearest to a vector: knows vectors, but no model.

query vector (d,) -> candidates by sign bits -> exact cosines -> Hit, nearest first

A reader sees the index as it stood when it was opened; `refresh` shows it what was written since.
It never waits for the writer, and any thread may use it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError, UsageError, first_line
from e5v.search.audit import Audit, Ways, audit
from e5v.search.duplicates import alike
from e5v.search.facts import Facts, read_facts
from e5v.search.rank import cosines, nearest
from e5v.search.rows import Rows
from e5v.search.table import COLUMNS, Live, Table
from e5v.vectors import unit

KINDS = ("image", "text")
TRIES = 5  # looks at an index that is being written
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be found.

    Attributes:
        id: stands for its place: the same file and part get the same id in every run.
        path: the file it is of, absolute.
        kind: "image" or "text".
        part: number of the passage of a text file, or of the line of JSON lines; from 1, and 0 for
            an image file.
        size: bytes of the file.
        mtime: when the file was changed, in nanoseconds since 1970.
        digest: equal for equal content: the image's bytes, or the passage's text.
        text: an image's caption, if it has one, or what the passage says.
        thumbnail: WebP of at most 20 KB; empty for a text.
        width, height: pixels of the upright image; 0 for a text.
    """

    id: str
    path: str
    kind: str
    part: int
    size: int
    mtime: int
    digest: str
    text: str
    thumbnail: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that was found, and the cosine of its vector with the query."""

    entry: Entry
    score: float


@dataclass(frozen=True)
class _Seen:
    """One version of an index: its table, the records that count, where their vectors are."""

    table: Table
    live: Live
    rows: Rows | None
    places: NDArray[np.int64]


class Index:
    """A reader of an index folder; `Index.open(folder)` makes one."""

    def __init__(self, folder: Path, facts: Facts) -> None:
        self._folder = folder
        self._facts = facts
        self._seen = self._look()

    @classmethod
    def open(cls, folder: Path) -> "Index":
        """Open the index in a folder.

        Raises:
            DataError: there is none, or it cannot be read.
        """
        return cls(folder, _facts(folder))

    @property
    def facts(self) -> Facts:
        """What the index says of itself; `facts.check` tells whether a model fits it."""
        return self._facts

    @property
    def fingerprint(self) -> str:
        """Of the model that made the vectors (`e5v.search.query.facts_of`)."""
        return self._facts.fingerprint

    @property
    def model(self) -> str:
        """The model's name, as it was given when the index was made."""
        return self._facts.model

    @property
    def dtype(self) -> str:
        """What the model computed in: "float32", "bfloat16" or "float16"."""
        return self._facts.dtype

    @property
    def dim(self) -> int:
        """d, the width of a vector."""
        return self._facts.dim

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._seen.places)

    def check(self, fingerprint: str, model: str, dtype: str) -> None:
        """Raise `DataError` unless a model makes vectors that may be compared with these."""
        self._facts.check(Facts(fingerprint, model, dtype, self.dim))

    def kinds(self) -> dict[str, int]:
        """Count the entries of each kind: {"image": ..., "text": ...}, zeros included."""
        counted = self._seen.live.kinds.value_counts().to_pylist()
        return dict.fromkeys(KINDS, 0) | {one["values"]: one["counts"] for one in counted}

    def search(
        self,
        vector: NDArray[np.float32],
        *,
        k: int = 10,
        where: str | None = None,
        min_score: float | None = None,
    ) -> list[Hit]:
        """Find the `k` entries nearest to a unit vector (d,), nearest first.

        Args:
            vector: what `e5v.search.query.asked` returns.
            k: how many, at most.
            where: a filter as LanceDB takes it: "kind = 'image' AND path LIKE '%2024%'".
            min_score: the least cosine of a hit.

        Raises:
            UsageError: `k` or `where` cannot be served, or the vector has another width.
        """
        if k < 1:
            raise UsageError(f"k is {k}; expected at least 1")
        if vector.shape != (self.dim,):
            raise UsageError(f"the vector has shape {vector.shape}; expected ({self.dim},)")
        query = np.ascontiguousarray(vector, np.float32)
        hits = self._steadily(lambda seen: self._search(seen, query, k, where))
        return [hit for hit in hits if min_score is None or hit.score >= min_score]

    def _search(
        self, seen: _Seen, query: NDArray[np.float32], k: int, where: str | None
    ) -> list[Hit]:
        if seen.rows is None:
            return []
        if seen.table.indexed:
            found = seen.table.near(query, k, where)
            counts = np.isin(found.numbers, seen.live.numbers)  # not one that has been replaced
            within = np.searchsorted(seen.live.numbers, found.numbers[counts])
            return _hits(self._entries(seen, within), found.scores[counts])
        places = seen.places
        if where is not None:
            places = places[np.isin(seen.live.numbers, seen.table.matching(where))]
        ranked = nearest(seen.rows, places, query, k)
        within = np.searchsorted(seen.places, ranked.places)
        return _hits(self._entries(seen, within), ranked.scores)

    def get(self, id: str) -> Entry | None:
        """Return the entry with that id, or None."""

        def find(seen: _Seen) -> Entry | None:
            place = seen.live.place(id)
            return None if place is None else self._entries(seen, [place])[0]

        return self._steadily(find)

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return the entries with these ids, in their order, without those that are not there."""

        def find(seen: _Seen) -> list[Entry]:
            return self._entries(seen, seen.live.places(ids))

        return self._steadily(find)

    def vector(self, id: str) -> NDArray[np.float32] | None:
        """Return the vector (d,) of the entry with that id, or None."""
        seen = self._seen
        place = seen.live.place(id)
        if place is None or seen.rows is None:
            return None
        return unit(seen.rows.vectors[seen.places[place]])

    def vectors(self, limit: int | None = None) -> tuple[list[str], NDArray[np.float32]]:
        """Return ids and vectors (n, d): all, or a sample of `limit` spread over the index."""
        seen = self._seen
        count = len(seen.places) if limit is None else min(limit, len(seen.places))
        chosen = np.linspace(0, max(0, len(seen.places) - 1), count).astype(np.int64)
        if seen.rows is None or not count:
            return [], np.zeros((0, self.dim), np.float32)
        vectors = unit(seen.rows.vectors[seen.places[chosen]])
        return seen.live.ids.take(chosen).to_pylist(), vectors

    def refresh(self) -> bool:
        """Look at what was written since, and tell whether there was anything.

        Searches that other threads are in the middle of end on the version they began with.

        Raises:
            DataError: it is there no more, cannot be read, or has been made anew with another
                model.
        """
        fresh = Table.open(self._folder).version != self._seen.table.version
        seen = self._look() if fresh else self._seen
        facts = _facts(self._folder)  # after the look, so that they tell of what was seen
        facts.check(self._facts)
        self._facts, self._seen = facts, seen
        return fresh

    def duplicates(self, threshold: float) -> list[list[Entry]]:
        """Group entries that are alike: chains of pairs whose cosine is at least `threshold`."""

        def find(seen: _Seen) -> list[list[Entry]]:
            groups = [] if seen.rows is None else alike(seen.rows, seen.places, threshold)
            return [self._entries(seen, group) for group in groups]

        return self._steadily(find)

    def audit(self, queries: int = 100, k: int = 10) -> Audit:
        """Compare `search` with all cosines, on entries spread over the index as queries."""
        seen = self._seen
        vectors = self.vectors(queries)[1]

        def quick(query: NDArray[np.float32], k: int) -> list[str]:
            return [hit.entry.id for hit in self.search(query, k=k)]

        def exact(query: NDArray[np.float32], k: int) -> list[str]:
            assert seen.rows is not None
            scores = cosines(seen.rows, seen.places, query)
            best = np.lexsort((seen.places, -scores))[:k]
            ids: list[str] = seen.live.ids.take(best).to_pylist()
            return ids

        return audit(Ways(quick, exact), vectors, len(self), k)

    def _entries(self, seen: _Seen, within: Sequence[int] | NDArray[np.int64]) -> list[Entry]:
        records = seen.table.take(seen.live.addresses[np.asarray(within, np.int64)], COLUMNS)
        return [Entry(**{column: record[column] for column in COLUMNS}) for record in records]

    def _steadily(self, ask: Callable[[_Seen], Answer]) -> Answer:
        """Ask again if the version that was looked at is so old that it has been removed."""
        try:
            return ask(self._seen)
        except RuntimeError as error:
            if not self.refresh():
                raise _unreadable(self._folder, error) from error
            return ask(self._seen)

    def _look(self) -> _Seen:
        for _ in range(TRIES):
            table = Table.open(self._folder)
            try:
                live = table.live()
            except RuntimeError as error:
                raise _unreadable(self._folder, error) from error
            rows = Rows.read(self._folder)
            if rows is None and not len(live.numbers):
                return _Seen(table, live, None, np.zeros(0, np.int64))
            places = None if rows is None else rows.places(live.numbers)
            if places is not None:
                return _Seen(table, live, rows, places)
        raise DataError(f"the index in {self._folder} is damaged; e5v index repairs it")


def _unreadable(folder: Path, error: RuntimeError) -> DataError:
    what = f"the index in {folder} cannot be read: {first_line(error)}"
    return DataError(f"{what}; remove it and run e5v index again")


def _facts(folder: Path) -> Facts:
    facts = read_facts(folder)
    if facts is None:
        raise DataError(f"{folder} holds no index; make one with: e5v index FOLDER")
    return facts


def _hits(entries: Sequence[Entry], scores: NDArray[np.float32]) -> list[Hit]:
    at_most = np.minimum(scores, 1).tolist()  # float16 has rounded a little off the length
    return [Hit(entry, score) for entry, score in zip(entries, at_most, strict=True)]
