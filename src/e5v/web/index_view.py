"""The index that the server searches: opened when it exists, and kept up to date.

folder -> Index, refreshed at most once a second -> entries, vectors, hits, map

The folder may be a link: an index is read where the link led when it was opened, and the link may
then be set to another one, which the next requests read.

Every method may block: call it on a thread. None waits for an object store, apart from the first:
the copy of an index there is brought up to date on a thread of its own, and searched as it is.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from e5v.errors import DataError
from e5v.search.index import Index
from e5v.search.index_folder import IndexFolder, LocalFolder
from e5v.search.index_model import fingerprint_of
from e5v.search.locating import open_folder
from e5v.search.manifest import read_manifest
from e5v.web.errors import Refused
from e5v.web.searched import Searched, require

if TYPE_CHECKING:
    from e5v.model.embedder import E5V

FRESH_SECONDS = 1.0  # between two refreshes
CONFLICT = 409


class Collection(Searched):
    """An index, for one model; there may be none yet. `folder` is where its files are read."""

    def __init__(self, place: Path | IndexFolder, model: E5V) -> None:
        super().__init__(model)
        self._place = open_folder(place)
        self.folder, self.url = self._place.path, self._place.url
        self._pulling: Thread | None = None
        self._lock = Lock()
        self._index: Index | None = None
        self._opened = self.folder  # without links
        self._version = 0  # incremented at every change
        self._refreshed = 0.0

    def version(self) -> tuple[Index, int]:
        """Return the index as it is now, and a number that grows with every change to it.

        Raises:
            Refused: there is no index, or another model made it.
            DataError: it is damaged.
        """
        return self._see(FRESH_SECONDS)

    def latest(self) -> Index:
        """Return the index as whoever opens it now would see it.

        Raises:
            Refused, DataError: as `version`.
        """
        return self._see(0.0)[0]

    @property
    def opened(self) -> Path:
        """The folder whose index was read last, without links."""
        return self._opened

    def _see(self, seconds: float) -> tuple[Index, int]:
        """Return the index as it was at most that long ago, and its version."""
        with self._lock:
            if self._index is None or time.monotonic() - self._refreshed > seconds:
                self._pull()
                seen, self._index = self._index, None  # an unreadable index is not kept
                self._index = self._refresh(seen)
                self._refreshed = time.monotonic()
            return self._index, self._version

    def check(self) -> None:
        """Check the index, if there is one; wait for the copy of one on an object store.

        Raises:
            DataError: another model made it, it is damaged, or the store cannot be read.
        """
        self._place.pull()
        try:
            self.index()
        except Refused as refusal:
            if refusal.status_code == CONFLICT:
                raise DataError(str(refusal)) from None

    def vector(self, id: str) -> Any:
        """Return the vector of an entry, (d,) float32.

        Raises:
            Refused: there is no such entry.
        """
        return require(self.index().vector(id), id)

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint_of(self.model)

    def _pull(self) -> None:
        """Begin to bring the copy of an index on a store up to date, unless that is going on."""
        if self.url is not None and (self._pulling is None or not self._pulling.is_alive()):
            self._pulling = Thread(target=self._try_pull, name="e5v-pull", daemon=True)
            self._pulling.start()

    def _try_pull(self) -> None:
        with suppress(DataError):  # the next one tries again; searches go on with what is there
            self._place.pull()

    def _refresh(self, seen: Index | None) -> Index:
        """Refresh the index; open it again if its folder is gone, made again, or another one."""
        if seen is not None and self._still_exists(seen):
            with suppress(DataError):
                self._version += seen.refresh()
                return seen
        self._version += 1
        return self._open()

    def _still_exists(self, seen: Index) -> bool:
        """Return whether the index is still there; LanceDB would create a missing folder."""
        if self.folder.resolve() != self._opened:
            return False
        manifest = read_manifest(self.folder)
        made_by_same = manifest is None or manifest.fingerprint == seen.fingerprint
        return made_by_same and self.folder.is_dir()

    def _open(self) -> Index:
        self._opened = self.folder.resolve()
        try:
            index = Index.open(LocalFolder(self._opened, self.url))
        except DataError as error:
            if read_manifest(self.folder):
                raise
            raise Refused(404, "missing", str(error)) from None
        dtype = str(self.model.dtype).removeprefix("torch.")
        try:
            index.check(self._fingerprint, self.model.loaded.name, dtype)
        except DataError as error:
            raise Refused(CONFLICT, "missing", str(error)) from None
        return index
