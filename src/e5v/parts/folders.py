"""The folders that parts can be in: on a disk, or at an object store.

path | URL -> DiskFolder: temporary file, fsync, rename; hard links
           -> StoreFolder: objects written as a whole, on the condition that there are none
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from e5v.errors import UsageError
from e5v.files import create_file, read_state, replace_file, write_file
from e5v.parquet import open_parquet
from e5v.parts.part_folder import SUFFIX, PartFolder
from e5v.places import StoreUrl, find_store, refuse_url
from e5v.stores.clients import open_client
from e5v.stores.objects import (
    create_object,
    find_state,
    list_level,
    read_object,
    write_object,
)

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

IN_ONE_PIECE = 64 * 2**20  # bytes that are written in one request, which can have a condition


def open_folder(path: str | Path) -> PartFolder:
    """Return the folder of parts at a path or a URL, which need not exist.

    Raises:
        UsageError: it is a URL of no object store that can be written, or not that of a folder.
        MissingExtraError: the library for stores is not installed.
    """
    if (store := find_store(path)) is not None:
        open_client(store)
        return StoreFolder(store)
    refuse_url(path, "the folder of parts", argument="out")
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder", argument="out")
    return DiskFolder(folder)


@dataclass(frozen=True)
class DiskFolder:
    """A folder of parts on a disk of this machine, or one that machines share."""

    path: Path

    def __str__(self) -> str:
        """Return the path."""
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        """Return the path of a file."""
        return self.path / name

    def make(self) -> None:
        """Make the folder, and those that it is in."""
        self.path.mkdir(parents=True, exist_ok=True)

    def size_of(self, name: str) -> int:
        """Return the bytes of a file; -1 if there is none."""
        return read_state(self.path / name).size

    def list_parts(self) -> list[str]:
        """List the files of parts, in order of name; temporary ones are hidden."""
        found = self.path.glob(f"*{SUFFIX}")
        return sorted(one.name for one in found if not one.name.startswith("."))

    def remove_unfinished(self) -> None:
        """Remove the temporary files of killed workers."""
        for path in self.path.glob(f".*{SUFFIX}.*.part"):
            path.unlink(missing_ok=True)

    def read(self, name: str) -> str | None:
        """Return the content of a small file; None if there is none."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: str) -> None:
        """Write a small file."""
        write_file(self.path / name, content)

    def create(self, name: str, content: str) -> bool:
        """Write a small file unless it is there."""
        return create_file(self.path / name, content)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Open a temporary file that is flushed to disk and renamed."""
        with replace_file(self.path / name) as part, part.open("wb") as file:
            yield file

    def open_part(self, name: str) -> AbstractContextManager["ParquetFile"]:
        """Open a part for reading."""
        return open_parquet(self.path / name, checked=True)


@dataclass(frozen=True)
class StoreFolder:
    """A folder of parts at an object store: all objects below a URL.

    A part is written to a temporary file of this machine and uploaded when it is complete, so that
    a worker that is killed leaves nothing, or pieces of an upload that the store does not show.
    """

    url: StoreUrl

    def __str__(self) -> str:
        """Return the URL."""
        return str(self.url)

    def __truediv__(self, name: str) -> StoreUrl:
        """Return the URL of an object."""
        return self.url / name

    def make(self) -> None:
        """Do nothing: a store has no folders."""

    def size_of(self, name: str) -> int:
        """Return the bytes of an object; -1 if there is none."""
        state = find_state(self.url / name)
        return -1 if state is None else state.size

    def list_parts(self) -> list[str]:
        """List the objects of parts, in order of name."""
        return sorted(one.name for one in list_level(self.url).objects if one.name.endswith(SUFFIX))

    def remove_unfinished(self) -> None:
        """Do nothing: an object is there when it is complete."""

    def read(self, name: str) -> str | None:
        """Return the content of a small object; None if there is none."""
        try:
            return read_object(self.url / name).decode("utf-8", "replace")
        except FileNotFoundError:
            return None

    def write(self, name: str, content: str) -> None:
        """Write a small object."""
        write_object(self.url / name, content.encode())

    def create(self, name: str, content: str) -> bool:
        """Write a small object unless it is there."""
        return create_object(self.url / name, content.encode()) is not None

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Open a temporary file that is uploaded, unless the object is there by then."""
        with TemporaryFile() as file:
            yield file
            size = file.seek(0, 2)
            file.seek(0)
            if size <= IN_ONE_PIECE:
                create_object(self.url / name, file.read())
            elif find_state(self.url / name) is None:
                write_object(self.url / name, file)

    def open_part(self, name: str) -> AbstractContextManager["ParquetFile"]:
        """Open a part for reading; only what is asked for is fetched."""
        return open_parquet(self.url / name, checked=True)
