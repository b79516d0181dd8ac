"""A cache of vectors in one file.

model's fingerprint + prompt's wording + item's content -> key -> vector (d,) float32

SQLite writes each batch of rows completely or not at all, even if the process is killed.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError

LOOKED_UP = 500  # keys in one query


class Cache:
    """Vectors by key, in a file or, without a path, in memory.

    Raises:
        DataError: the file is not a cache, or cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._table = sqlite3.connect(path or ":memory:")
            self._table.execute("PRAGMA journal_mode = WAL")
            self._table.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, row BLOB) WITHOUT ROWID"
            )
        except (sqlite3.Error, OSError) as error:
            raise DataError(f"{path} cannot be used as a cache: {error}; name another") from error

    @staticmethod
    def key(fingerprint: str, wording: str, content: bytes) -> bytes:
        """Return the key of an item's vector."""
        state = hashlib.blake2b(digest_size=20)
        for part in (fingerprint.encode(), wording.encode(), content):
            state.update(b"%d " % len(part))
            state.update(part)
        return state.digest()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """Return the cached vectors, by key.

        Raises:
            DataError: the file cannot be read.
        """
        found: dict[bytes, NDArray[np.float32]] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), LOOKED_UP):
            part = wanted[start : start + LOOKED_UP]
            marks = ",".join("?" * len(part))
            asked = f"SELECT key, row FROM vectors WHERE key IN ({marks})"
            try:
                rows = self._table.execute(asked, part).fetchall()
            except sqlite3.Error as error:
                raise DataError(
                    f"{self.path}: {error}; name another cache file", argument="cache"
                ) from error
            found |= {key: np.frombuffer(row, np.float32) for key, row in rows}
        return found

    def keep(self, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Write vectors, all or none.

        Raises:
            DataError: the file cannot be written.
        """
        try:
            with self._table:
                self._table.executemany(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?)", _make_rows(vectors)
                )
        except sqlite3.Error as error:
            raise DataError(
                f"{self.path}: {error}; free space, or name another cache file", argument="cache"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._table.close()


def _make_rows(vectors: Mapping[bytes, NDArray[np.float32]]) -> Iterable[tuple[bytes, bytes]]:
    for key, vector in vectors.items():
        yield key, np.ascontiguousarray(vector, np.float32).tobytes()
