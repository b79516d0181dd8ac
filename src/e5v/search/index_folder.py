"""Where an index is: a folder of this machine, or a place in an object store.

IndexFolder -> files on this machine to read, and a workspace for one writer

All that reads or writes an index does so in files of this machine. For a store they are a copy
(`store_folder.py`), which `pull` brings up to date and a writer's `publish` hands over.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from e5v.files import locked, write_file
from e5v.places import StoreUrl
from e5v.search.manifest import Manifest, read_manifest

COPIED = ".copied.json"  # in a copy of an index: which, of what commit


class Workspace(Protocol):
    """The files of one writer; `next_row` is a number that no record of the index ever had."""

    @property
    def path(self) -> Path:
        """The folder that is written to."""

    @property
    def next_row(self) -> int:
        """The least number that a new record may get."""

    def publish(self, next_row: int) -> None:
        """Let readers see what is written, all at once; `next_row` is that of the next writer.

        Raises:
            DataError: it cannot be written, or another writer has taken over.
        """


class IndexFolder(Protocol):
    """An index, as readers and writers find it; its string is what a message calls it."""

    @property
    def path(self) -> Path:
        """The folder on this machine that readers read."""

    @property
    def url(self) -> StoreUrl | None:
        """The place in a store that `path` is a copy of; None for a folder."""

    def read_manifest(self) -> Manifest | None:
        """Return the latest metadata without any copying; None if there is no index.

        Raises:
            DataError: it cannot be read.
        """

    def pull(self) -> None:
        """Bring the files at `path` up to date.

        Raises:
            DataError: the store cannot be read.
        """

    def writing(self) -> AbstractContextManager[Workspace]:
        """Be the only writer.

        Raises:
            DataError: another process is writing.
        """


@dataclass(frozen=True)
class LocalWorkspace:
    """A folder that is written in place: readers see each commit of the table at once."""

    path: Path
    next_row: int = 1

    def publish(self, next_row: int) -> None:
        """Do nothing."""


def read_copied(folder: Path) -> tuple[object, object]:
    """Return the index that a folder is a copy of, and the number of its commit, if it is one."""
    try:
        index, number = json.loads((folder / COPIED).read_bytes())
    except (OSError, ValueError, TypeError):
        return None, None
    return index, number


def write_copied(folder: Path, index: str, number: int) -> None:
    """Note what a folder is a copy of, once it is."""
    write_file(folder / COPIED, json.dumps([index, number]))


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine; with a URL, the copy of a place in a store, to be read as it is."""

    path: Path
    url: StoreUrl | None = None

    def __str__(self) -> str:
        """Return the URL, or the path."""
        return str(self.path if self.url is None else self.url)

    def read_manifest(self) -> Manifest | None:
        """Return the metadata; None if there is no index."""
        return read_manifest(self.path)

    def pull(self) -> None:
        """Do nothing."""

    @contextmanager
    def writing(self) -> Iterator[Workspace]:
        """Be the only writer, by a lock on the folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path):
            yield LocalWorkspace(self.path)
