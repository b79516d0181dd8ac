"""What the server asks of what it searches: an index in a folder, or in a database.

Collection | StoreCollection -> Searched; Index | StoreIndex -> SearchedIndex
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.search.entries import Entry, Hit
    from e5v.web.index_view import MapPoint


class SearchedIndex(Protocol):
    """A reader: `e5v.search.index.Index`, or `e5v.databases.store_index.StoreIndex`."""

    def __len__(self) -> int:
        """Return the number of entries."""

    def kinds(self) -> dict[str, int]:
        """Count the entries of each kind."""

    def search(
        self,
        query: NDArray[np.float32],
        *,
        k: int = 10,
        where: str | None = None,
        min_score: float | None = None,
        offline: bool = False,
    ) -> list[Hit]:
        """Find the entries nearest to a unit vector (d,)."""

    def get(self, id: str) -> Entry | None:
        """Return an entry, or None."""

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return entries in the order of their ids."""

    def newest(self, kind: str | None = None, limit: int = 100, offset: int = 0) -> list[Entry]:
        """Return entries, newest first."""

    def vector(self, id: str) -> NDArray[np.float32] | None:
        """Return the unit vector (d,) of an entry, or None."""

    def vectors(self, limit: int | None = None) -> tuple[list[str], NDArray[np.float32]]:
        """Return ids and unit vectors (n, d), of `limit` spread over all if given."""


class Searched(Protocol):
    """What the server searches, for one model; every method may block."""

    model: E5V

    def index(self) -> SearchedIndex:
        """Return the reader as it is now."""

    def version(self) -> tuple[SearchedIndex, int]:
        """Return the reader as it is now, and a number that grows with every change."""

    def entry(self, id: str) -> Entry:
        """Return an entry."""

    def map(self) -> list[MapPoint]:
        """Return the map of some entries."""
