"""What an index says of itself: by which model its vectors were made, and of which folders.

Facts <-> index.json, written whole or not at all
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from e5v.errors import DataError
from e5v.files import write_file

FORMAT = 2  # of the folder; another one is told apart from a broken one
READABLE = (1, 2)  # 1 had no `exclude` and `keep_days`, and no files beside its records
KEEP_DAYS = 30.0
FILE = "index.json"


@dataclass(frozen=True)
class Facts:
    """What does not change from entry to entry.

    `fingerprint` tells which model made the vectors, `model` and `dtype` how to open it again;
    `dim` is the width of a vector, `roots` the folders and files that are followed, `exclude` the
    patterns of what is left out of them (`e5v.search.exclusion`), `keep_days` how long entries of
    missing files are kept.
    """

    fingerprint: str
    model: str
    dtype: str
    dim: int
    roots: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    keep_days: float = KEEP_DAYS
    format: int = FORMAT

    def check(self, other: "Facts") -> None:
        """Raise `DataError` unless a model of these facts makes vectors that may be compared."""
        if self.fingerprint != other.fingerprint:
            raise DataError(
                f"the index was made with {self._maker}, this is {other._maker}: their vectors "
                f"cannot be compared; use that model, computed in {self.dtype}, or another index",
                argument="model",
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
        if told["format"] not in READABLE:
            raise DataError(
                f"the index in {folder} has format {told['format']}, expected {FORMAT}; "
                "index anew in another folder",
                argument="index",
            )
        lists = {name: tuple(told.get(name, ())) for name in ("roots", "exclude")}
        return Facts(**told | lists | {"format": FORMAT})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / FILE} cannot be read as an index: {error!r}") from error


def write_facts(folder: Path, facts: Facts) -> None:
    """Write the facts so that they are there after a power cut, or the old ones are."""
    write_file(folder / FILE, json.dumps(asdict(facts), indent=2) + "\n")
