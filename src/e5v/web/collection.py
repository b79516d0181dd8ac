"""The index behind the server: opened once there is one, and fresh.

folder -> Index, refreshed now and then -> entries, vectors, hits, map

Every method may block: call it on a thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from e5v.errors import DataError
from e5v.search.index import Entry, Index
from e5v.search.query import fingerprint_of
from e5v.web.projection import project
from e5v.web.refusals import Refused

if TYPE_CHECKING:
    from e5v.model.embedder import E5V

FRESH_SECONDS = 1.0  # how old what is seen of the index may be
MAP_POINTS = 2_000
DIGITS = 4  # of a place on the map
CONFLICT = 409
Held = TypeVar("Held")


@dataclass(frozen=True)
class Point:
    """An entry's place on the map."""

    entry: Entry
    x: float
    y: float


class Collection:
    """An index folder, for one model; the folder may still be empty."""

    def __init__(self, folder: Path, model: E5V) -> None:
        self.folder = folder
        self.model = model
        self._lock = Lock()
        self._index: Index | None = None
        self._looked = 0.0
        self._map: list[Point] | None = None

    def index(self) -> Index:
        """Return the index as it is now.

        Raises:
            Refused: there is none, or it is another model's.
        """
        with self._lock:
            now = time.monotonic()
            if self._index is None:
                self._index = self._open()
            elif now - self._looked > FRESH_SECONDS and self._index.refresh():
                self._map = None
            else:
                return self._index
            self._looked = now
            return self._index

    def check(self) -> None:
        """Look at the index, if there is one.

        Raises:
            DataError: it is another model's.
        """
        try:
            self.index()
        except Refused as refusal:
            if refusal.status_code == CONFLICT:
                raise DataError(str(refusal)) from None

    def entry(self, id: str) -> Entry:
        """Return an entry.

        Raises:
            Refused: there is no such entry.
        """
        return _there(self.index().get(id), id)

    def vector(self, id: str) -> Any:
        """Return the vector of an entry, (d,) float32.

        Raises:
            Refused: there is no such entry.
        """
        return _there(self.index().vector(id), id)

    def map(self) -> list[Point]:
        """Return the map of the index, of at most 2,000 entries; drawn once for each version."""
        index = self.index()
        drawn = self._map
        if drawn is None:
            drawn = self._map = _draw(index)
        return drawn

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint_of(self.model)

    def _open(self) -> Index:
        try:
            index = Index.open(self.folder)
        except DataError as error:
            raise Refused(404, "missing", str(error)) from None
        dtype = str(self.model.dtype).removeprefix("torch.")
        try:
            index.check(self._fingerprint, self.model.loaded.name, dtype)
        except DataError as error:
            raise Refused(CONFLICT, "missing", str(error)) from None
        return index


def _there(found: Held | None, id: str) -> Held:
    if found is None:
        raise Refused(404, "missing", f"the index has no entry {id[:80]!a}")
    return found


def _draw(index: Index) -> list[Point]:
    ids, vectors = index.vectors(MAP_POINTS)
    places = dict(zip(ids, project(vectors).tolist(), strict=True))
    return [
        Point(entry, *(round(place, DIGITS) for place in places[entry.id]))
        for entry in index.entries(ids)
    ]
