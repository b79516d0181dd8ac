"""Read and search an index.

words, Query -> the index's own model -> query vector (d,)
query vector -> candidates by sign bits -> exact cosines -> Hit, nearest first

A reader sees the index as it was when opened; `refresh` moves it to the latest version. It never
waits for the writer, and is thread-safe.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError
from e5v.search.calibration import Calibration, Scale
from e5v.search.duplicates import group_duplicates
from e5v.search.entries import Entry, Filters, Hit
from e5v.search.index_folder import IndexFolder
from e5v.search.locating import open_folder
from e5v.search.manifest import Manifest, read_manifest
from e5v.search.nearest import cosines
from e5v.search.query_model import QueryModel
from e5v.search.recall_audit import Audit, Ways, audit
from e5v.search.search_arguments import (
    check_options,
    check_page,
    is_vector,
    read_query,
    read_vector,
)
from e5v.search.snapshot import TRIES, Snapshot, unreadable
from e5v.vectors import unit

if TYPE_CHECKING:
    from torch import Tensor

    from e5v.model.embedder import E5V
    from e5v.search.query import Query

Answer = TypeVar("Answer")


class Index:
    """A reader of an index; `Index.open(folder)` makes one."""

    def __init__(self, place: IndexFolder, model: "E5V | None" = None) -> None:
        self._place, self._folder = place, place.path
        self._manifest = _read_manifest(place)
        self._seen = Snapshot.take(self._folder)
        self._model = QueryModel(model)

    @classmethod
    def open(cls, folder: str | Path | IndexFolder, *, model: "E5V | None" = None) -> "Index":
        """Open the index in a folder, or at a URL of an object store: s3://, gs:// or az://.

        Of a store, a copy in the user's cache is brought up to date, and read. Searches that need a
        model use `model`; by default the index's own is opened at the first.

        Raises:
            DataError: there is no index, or it cannot be read.
            UsageError: `folder` is another URL.
            MissingExtraError: what reads object stores is not installed.
        """
        place = open_folder(folder)
        place.pull()
        return cls(place, model)

    @property
    def manifest(self) -> Manifest:
        """The metadata of the index; `manifest.check` checks whether a model fits."""
        return self._manifest

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model that made the vectors (`e5v.search.index_model`)."""
        return self._manifest.fingerprint

    @property
    def model(self) -> str:
        """The model's name, as given when the index was made."""
        return self._manifest.model

    @property
    def dtype(self) -> str:
        """The dtype of the model: "float32", "bfloat16" or "float16"."""
        return self._manifest.dtype

    @property
    def dim(self) -> int:
        """d, the width of a vector."""
        return self._manifest.dim

    def __len__(self) -> int:
        """Return the number of entries, without those that are offline."""
        return len(self._seen)

    @property
    def offline(self) -> int:
        """The number of entries kept although their files are missing."""
        return len(self._seen.offline)

    def check(self, fingerprint: str, model: str, dtype: str) -> None:
        """Raise `DataError` unless a model's vectors can be compared with those of the index."""
        self._manifest.check(Manifest(fingerprint, model, dtype, self.dim))

    def kinds(self) -> dict[str, int]:
        """Count the entries of each kind: {"image": ..., "text": ...}, zeros included."""
        return self._seen.count_kinds()

    def search(
        self,
        query: "str | Query | NDArray[np.float32] | Tensor",
        *,
        k: int = 10,
        where: str | None = None,
        min_score: float | None = None,
        offline: bool = False,
    ) -> list[Hit]:
        """Find the `k` entries nearest to a query, nearest first.

        In an index of images and texts, words and a `Query` are answered in one order of standard
        scores (`calibration.py`), a vector by cosine alone.

        Args:
            query: words; a `Query`, such as `Query("at night", image="cat.jpg")`; or a unit vector
                (d,) of the index's model, an array or a tensor, for which no model is needed.
            k: how many, at most.
            where: a LanceDB filter: "kind = 'image' AND path LIKE '%2024%'".
            min_score: the least cosine of a hit.
            offline: whether to include entries whose files are missing.

        Raises:
            UsageError: the query or an option is out of range or of another type.
            DataError: the model is not the one that the index was made with.
            ModelError: the index's model cannot be opened.
        """
        check_options(k, where, min_score)
        if not is_vector(query):
            from e5v.search.query import embed_query, find, load_stored_example

            asked = read_query(query, self.dim)
            stored = load_stored_example(self, asked)
            if where is not None and not self._model.is_found:
                self.check_filter(where)
            vectors = embed_query(self._model.open(self._manifest), asked, stored)
            return find(self, vectors, k=k, where=where, min_score=min_score, offline=offline)
        vector = read_vector(query, self.dim)
        hits = self._retry(lambda seen: seen.search(vector, k, where, offline=offline))
        return [hit for hit in hits if min_score is None or hit.score >= min_score]

    def search_kinds(
        self, query: NDArray[np.float32], k: int, filters: Filters, scale: Scale
    ) -> list[Hit]:
        """Find the `k` best images and texts for a unit vector (d,), in the order of a scale."""
        check_options(k, filters.where, filters.min_score)
        return self._retry(lambda seen: seen.search_kinds(query, k, filters, scale))

    def calibration(self) -> Calibration:
        """Return what cosines mean in this version; made when it is first asked for."""
        return self._retry(lambda seen: seen.calibration)

    def check_filter(self, where: str) -> None:
        """Search with any vector, so that a bad filter is refused before a model is opened.

        Raises:
            UsageError: the filter is invalid.
        """
        self.search(np.eye(1, self.dim, dtype=np.float32)[0], k=1, where=where)

    def get(self, id: str) -> Entry | None:
        """Return the entry with that id, or None."""

        def find(seen: Snapshot) -> Entry | None:
            return next(iter(seen.entries(seen.places([id]))), None)

        return self._retry(find)

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return the entries with these ids, in their order; unknown ids are skipped."""

        def find(seen: Snapshot) -> list[Entry]:
            return seen.entries(seen.places(ids))

        return self._retry(find)

    def newest(
        self,
        kind: str | None = None,
        limit: int = 100,
        offset: int = 0,
        *,
        where: str | None = None,
        oldest: bool = False,
    ) -> list[Entry]:
        """Return entries by the time their files were changed, newest first.

        Args:
            kind: "image" or "text"; all entries if None.
            limit: how many, at most.
            offset: how many to skip.
            where: a LanceDB filter, as of `search`.
            oldest: the oldest first.

        Raises:
            UsageError: there is no such kind, a number is negative, or the filter is invalid.
        """
        check_page(kind, limit, offset)

        def find(seen: Snapshot) -> list[Entry]:
            places = seen.newest_of(kind, where)
            return seen.entries((places[::-1] if oldest else places)[offset : offset + limit])

        return self._retry(find)

    def vector(self, id: str) -> NDArray[np.float32] | None:
        """Return the vector (d,) of the entry with that id, or None."""

        def find(seen: Snapshot) -> NDArray[np.float32] | None:
            places = seen.places([id])
            return unit(seen.collection.vectors.take(places))[0] if len(places) else None

        return self._retry(find)

    def vectors(self, limit: int | None = None) -> tuple[list[str], NDArray[np.float32]]:
        """Return ids and vectors (n, d) of all entries, or of `limit` spread over the index."""

        def find(seen: Snapshot) -> tuple[list[str], NDArray[np.float32]]:
            last = max(0, len(seen.online) - 1)
            count = len(seen.online) if limit is None else min(limit, len(seen.online))
            chosen = seen.online[np.linspace(0, last, count).astype(np.int64)]
            if not count:
                return [], np.zeros((0, self.dim), np.float32)
            vectors = unit(seen.collection.vectors.take(chosen))
            return seen.ids(chosen), vectors

        return self._retry(find)

    def refresh(self) -> bool:
        """Move to the latest version; return whether it is a new one.

        Searches that are running in other threads finish on their own version.

        Raises:
            DataError: the index no longer exists, cannot be read, or was made again with another
                model.
        """
        self._place.pull()
        fresh = not self._seen.is_latest(self._folder)
        seen = Snapshot.take(self._folder) if fresh else self._seen
        manifest = _read_manifest(self._place)  # read after the snapshot, so that they match it
        manifest.check(self._manifest)
        self._manifest, self._seen = manifest, seen
        return fresh

    def duplicates(self, threshold: float) -> list[list[Entry]]:
        """Group near-duplicates: chains of pairs whose cosine is at least `threshold`."""

        def find(seen: Snapshot) -> list[list[Entry]]:
            groups = group_duplicates(seen.collection.vectors, seen.online, threshold)
            return [seen.entries(seen.online[group]) for group in groups]

        return self._retry(find)

    def audit(self, queries: int = 100, k: int = 10) -> Audit:
        """Measure the recall of `search` against all cosines, with entries as queries."""
        vectors = self.vectors(queries)[1]

        def quick(query: NDArray[np.float32], k: int) -> list[str]:
            return [hit.entry.id for hit in self.search(query, k=k)]

        def exact(query: NDArray[np.float32], k: int) -> list[str]:
            def find(seen: Snapshot) -> list[str]:
                scores = cosines(seen.collection.vectors, seen.online, query)
                best = seen.online[np.lexsort((seen.online, -scores))[:k]]
                return seen.ids(best)

            return self._retry(find)

        return audit(Ways(quick, exact), vectors, len(self), k)

    def _retry(self, ask: Callable[[Snapshot], Answer]) -> Answer:
        """Ask again while the version that was asked has been removed."""
        for _ in range(TRIES):
            try:
                return ask(self._seen)
            except RuntimeError as error:
                fault = error
            if not self.refresh():
                break
        raise unreadable(self._folder, fault) from fault


def _read_manifest(place: IndexFolder) -> Manifest:
    manifest = read_manifest(place.path)
    if manifest is None:
        raise DataError(f"{place} contains no index; make one with: e5v index FOLDER")
    return manifest
