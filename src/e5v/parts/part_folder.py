"""Where parts lie: a folder that every worker can write to.

name -> content, whole or not there at all; of several first writers, one wins

What is asked of the place is in this protocol alone; `e5v.parts.folders` has those there are.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from e5v.places import StoreUrl

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

SUFFIX = ".parquet"
SETTINGS, PLAN, MANIFEST = "settings.json", "plan.json", "manifest.json"


class PartFolder(Protocol):
    """A folder of parts."""

    def __str__(self) -> str:
        """Return what a message calls it."""

    def __truediv__(self, name: str) -> Path | StoreUrl:
        """Return what a message calls a file."""

    def make(self) -> None:
        """Make the folder, and those that it is in."""

    def size_of(self, name: str) -> int:
        """Return the bytes of a file; -1 if there is none."""

    def list_parts(self) -> list[str]:
        """List the files of parts, in order of name; unfinished ones are hidden."""

    def remove_unfinished(self) -> None:
        """Remove what killed workers left, once no part is missing."""

    def read(self, name: str) -> str | None:
        """Return the content of a small file, damaged letters replaced; None if there is none."""

    def write(self, name: str, content: str) -> None:
        """Write a small file; it appears whole."""

    def create(self, name: str, content: str) -> bool:
        """Write a small file unless it is there; return whether this call wrote it."""

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file that gets its name once the block is done, whole and lasting."""

    def open_part(self, name: str) -> AbstractContextManager["ParquetFile"]:
        """Open a part for reading; damage is found as it is read.

        Raises:
            DataError: it is missing, or damaged.
        """
