"""Read a whole index in blocks, a bounded number of entries at a time.

index folder -> one version of it -> Block: entries with their numbers and vectors
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError, first_line
from e5v.search.entries import Entry
from e5v.search.index_folder import IndexFolder
from e5v.search.locating import open_folder
from e5v.search.manifest import Manifest, read_manifest
from e5v.search.snapshot import Snapshot


@dataclass(frozen=True)
class Block:
    """Some entries with their vectors (n, d) as they are stored.

    A number is unique in the index and never reused; later entries have higher ones.
    """

    numbers: list[int]
    entries: list[Entry]
    vectors: NDArray[np.float16]


class EntryBlocks:
    """The entries of an index as it was when opened, without those whose files are missing.

    Attributes:
        manifest: the metadata of the index.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.manifest, self._folder = manifest, folder
        self._seen = Snapshot.take(folder)

    @classmethod
    def open(cls, folder: str | Path | IndexFolder) -> "EntryBlocks":
        """Open the index in a folder, or the copy of one at an object store.

        Raises:
            DataError: there is no index, or it cannot be read.
            UsageError: `folder` is another URL.
            MissingExtraError: what reads object stores is not installed.
        """
        place = open_folder(folder)
        place.pull()
        manifest = read_manifest(place.path)
        if manifest is None:
            raise DataError(f"{place} contains no index; make one with: e5v index FOLDER")
        return cls(place.path, manifest)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._seen.online)

    def read(self, rows: int) -> Iterator[Block]:
        """Yield all entries in the order of their numbers, at most `rows` at a time.

        Raises:
            DataError: the version that was opened has been removed by a writer.
        """
        for start in range(0, len(self), rows):
            places = self._seen.online[start : start + rows]
            try:
                entries = self._seen.entries(places)
                vectors = self._seen.collection.vectors.take(places)
            except RuntimeError as error:
                raise DataError(
                    f"the index in {self._folder} changed while it was read: {first_line(error)}; "
                    "run the command again"
                ) from error
            yield Block(self._seen.live.numbers[places].tolist(), entries, vectors)
