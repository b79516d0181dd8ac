"""What an index says of itself: by which model its vectors were made, and of which folders.

Facts <-> index.json, written whole or not at all
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from e5v.errors import DataError

FORMAT = 1  # of the folder; another one is told apart from a broken one
FILE = "index.json"


@dataclass(frozen=True)
class Facts:
    """What does not change from entry to entry.

    `fingerprint` tells which model made the vectors, `model` and `dtype` how to open it again;
    `dim` is the width of a vector, `roots` the folders and files that are followed.
    """

    fingerprint: str
    model: str
    dtype: str
    dim: int
    roots: tuple[str, ...] = ()
    format: int = FORMAT

    def check(self, other: "Facts") -> None:
        """Raise `DataError` unless a model of these facts makes vectors that may be compared."""
        if self.fingerprint != other.fingerprint:
            raise DataError(
                f"the index was made with {self._maker}, this is {other._maker}: their vectors "
                f"cannot be compared; give --model {self.model} --dtype {self.dtype}, or another "
                "--index DIR"
            )

    @property
    def _maker(self) -> str:
        return f"{self.model} (fingerprint {self.fingerprint[:8]}, {self.dtype})"


def read_facts(folder: Path) -> Facts | None:
    """Read the facts of an index folder; None where there is no index.

    Raises:
        DataError: what is there cannot be read, or is of another format.
    """
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise DataError(
                f"the index in {folder} has format {told['format']}, expected {FORMAT}; "
                "index anew in another --index DIR"
            )
        return Facts(**told | {"roots": tuple(told["roots"])})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / FILE} cannot be read as an index: {error!r}") from error


def write_facts(folder: Path, facts: Facts) -> None:
    """Write the facts so that they are there after a power cut, or the old ones are."""
    write_durably(folder / FILE, (json.dumps(asdict(facts), indent=2) + "\n").encode())


def write_durably(target: Path, content: bytes) -> None:
    """Write a file beside its target, onto the disk, and give it its name."""
    part = target.with_name(f".{target.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
