"""Where parts lie: a folder that every worker can write to.

name -> content, whole or not there at all; of several first writers, one wins

What is asked of the place is in this class alone.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from e5v.errors import UsageError
from e5v.files import create_file, read_state, replace_file, write_file
from e5v.parquet import open_parquet
from e5v.places import refuse_url

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

SUFFIX = ".parquet"
SETTINGS, PLAN, MANIFEST = "settings.json", "plan.json", "manifest.json"


@dataclass(frozen=True)
class PartFolder:
    """A folder of parts on a disk of this machine, or one that machines share."""

    path: Path

    @classmethod
    def at(cls, path: str | Path) -> "PartFolder":
        """Return the folder at a path, which need not exist.

        Raises:
            UsageError: the path is a URL, or not that of a folder.
        """
        refuse_url(path, "the folder of parts", argument="out")
        folder = Path(path)
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; name a folder", argument="out")
        return cls(folder)

    def __str__(self) -> str:
        """Return the path."""
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        """Return what a message calls a file."""
        return self.path / name

    def make(self) -> None:
        """Make the folder, and those that it is in."""
        self.path.mkdir(parents=True, exist_ok=True)

    def size_of(self, name: str) -> int:
        """Return the bytes of a file; -1 if there is none."""
        return read_state(self.path / name).size

    def list_parts(self) -> list[str]:
        """List the files of parts, in order of name; unfinished ones are hidden."""
        found = self.path.glob(f"*{SUFFIX}")
        return sorted(one.name for one in found if not one.name.startswith("."))

    def remove_unfinished(self) -> None:
        """Remove the temporary files of killed workers, once no part is missing."""
        for path in self.path.glob(f".*{SUFFIX}.*.part"):
            path.unlink(missing_ok=True)

    def read(self, name: str) -> str | None:
        """Return the content of a small file, damaged letters replaced; None if there is none."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: str) -> None:
        """Write a small file; it appears whole."""
        write_file(self.path / name, content)

    def create(self, name: str, content: str) -> bool:
        """Write a small file unless it is there; return whether this call wrote it."""
        return create_file(self.path / name, content)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Open a file that gets its name once the block is done, flushed to disk."""
        with replace_file(self.path / name) as part, part.open("wb") as file:
            yield file

    def open_part(self, name: str) -> AbstractContextManager["ParquetFile"]:
        """Open a part for reading; damage is found as it is read.

        Raises:
            DataError: it is missing, or damaged.
        """
        return open_parquet(self.path / name, checked=True)
