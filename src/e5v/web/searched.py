"""What the server asks of what it searches: an index in a folder, or in a database.

Index | StoreIndex -> SearchedIndex; Collection | StoreCollection -> Searched: entries, map
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from e5v.web.errors import Refused
from e5v.web.projection import project

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.search.calibration import Calibration, Scale
    from e5v.search.entries import Entry, Filters, Hit

MAP_POINTS = 2_000
DIGITS = 4  # decimals of a map coordinate
Reservation = TypeVar("Reservation")


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

    def search_kinds(
        self, query: NDArray[np.float32], k: int, filters: Filters, scale: Scale
    ) -> list[Hit]:
        """Find the best images and texts for a unit vector (d,), in the order of a scale."""

    def calibration(self) -> Calibration:
        """Return what cosines mean in the index."""

    def get(self, id: str) -> Entry | None:
        """Return an entry, or None."""

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return entries in the order of their ids."""

    def newest(
        self,
        kind: str | None = None,
        limit: int = 100,
        offset: int = 0,
        *,
        where: str | None = None,
        oldest: bool = False,
    ) -> list[Entry]:
        """Return entries that match a filter, newest or oldest first."""

    def vector(self, id: str) -> NDArray[np.float32] | None:
        """Return the unit vector (d,) of an entry, or None."""

    def vectors(self, limit: int | None = None) -> tuple[list[str], NDArray[np.float32]]:
        """Return ids and unit vectors (n, d), of `limit` spread over all if given."""


@dataclass(frozen=True)
class MapPoint:
    """An entry's place on the map."""

    entry: Entry
    x: float
    y: float


@dataclass(frozen=True)
class Map:
    """The points of one version of a collection."""

    version: int
    points: list[MapPoint]


class Searched(ABC):
    """What the server searches, for one model; every method may block."""

    def __init__(self, model: E5V) -> None:
        self.model = model
        self._map: Map | None = None

    @abstractmethod
    def version(self) -> tuple[SearchedIndex, int]:
        """Return the reader as it is now, and a number that grows with every change.

        Raises:
            Refused: there is nothing to search, or it is not for this model.
            DataError: it cannot be read.
        """

    def index(self) -> SearchedIndex:
        """Return the reader as it is now.

        Raises:
            Refused, DataError: as `version`.
        """
        return self.version()[0]

    def entry(self, id: str) -> Entry:
        """Return an entry.

        Raises:
            Refused: there is no such entry.
        """
        return require(self.index().get(id), id)

    def map(self) -> list[MapPoint]:
        """Return the map of at most 2,000 entries; computed once per version."""
        index, version = self.version()
        drawn = self._map
        if drawn is None or drawn.version != version:
            drawn = self._map = Map(version, compute_points(index))
        return drawn.points


def require(found: Reservation | None, id: str) -> Reservation:
    """Return what was found of an entry.

    Raises:
        Refused: there is no such entry.
    """
    if found is None:
        raise Refused(404, "missing", f"the index has no entry {id[:80]!a}")
    return found


def compute_points(index: SearchedIndex) -> list[MapPoint]:
    """Return the places of at most 2,000 entries, of which each is between 0 and 1."""
    ids, vectors = index.vectors(MAP_POINTS)
    places = dict(zip(ids, project(vectors).tolist(), strict=True))
    return [
        MapPoint(entry, *(round(place, DIGITS) for place in places[entry.id]))
        for entry in index.entries(ids)
    ]
