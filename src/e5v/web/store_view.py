"""The collection of a database that the server searches, kept up to date.

StoreIndex, its facts read at most once a second -> entries, vectors, hits, map

Every method may block: call it on a thread.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

from e5v.databases.store_index import StoreIndex
from e5v.errors import UsageError
from e5v.search.index_model import fingerprint_of
from e5v.web.errors import Refused
from e5v.web.index_view import FRESH_SECONDS
from e5v.web.searched import Searched

if TYPE_CHECKING:
    from e5v.model.embedder import E5V


class StoreCollection(Searched):
    """An open collection, for one model."""

    def __init__(self, index: StoreIndex, model: E5V) -> None:
        super().__init__(model)
        self.url = index.url
        self._index = index
        self._lock = Lock()
        self._version = 1  # incremented at every change
        self._refreshed = time.monotonic()

    def check(self) -> None:
        """Check the model.

        Raises:
            DataError: another model made the vectors.
        """
        dtype = str(self.model.dtype).removeprefix("torch.")
        self._index.check(fingerprint_of(self.model), self.model.loaded.name, dtype)

    def version(self) -> tuple[StoreIndex, int]:
        """Return the collection as it is now, and a number that grows with every change to it.

        Raises:
            Refused: it no longer exists.
            DataError: the database cannot be reached, or an export to it is not finished.
        """
        with self._lock:
            if time.monotonic() - self._refreshed > FRESH_SECONDS:
                try:
                    self._version += self._index.refresh()
                except UsageError as error:
                    raise Refused(404, "missing", str(error)) from None
                self._refreshed = time.monotonic()
            return self._index, self._version
