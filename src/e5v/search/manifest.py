"""The metadata of an index: the model of its vectors, the followed folders; its default place.

Manifest <-> index.json, written atomically
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from e5v.errors import DataError
from e5v.files import write_file
from e5v.search.exclusion import Exclusion

VARIABLE = "E5V_INDEX"
FORMAT = 3  # of the index folder
READABLE = (1, 2, 3)  # 1 had no `exclude` and `keep_days`; both had a second copy of the vectors
KEEP_DAYS = 30.0
PROMPT = "retrieval"  # for texts and images, in the index and in queries
CORRECT = "correct"  # the tiling of images that goes without saying
FILE = "index.json"


@dataclass(frozen=True)
class Manifest:
    """The metadata of an index.

    `fingerprint` identifies the model that made the vectors, `model`, `dtype` and `tiling` say how
    to open it, and so does `recipe` unless it is E5-V's own; `dim` is the width of a vector,
    `roots` the followed folders and files, `exclude` the patterns of excluded files
    (`e5v.search.exclusion`), `keep_days` how long entries of missing files are kept.
    """

    fingerprint: str
    model: str
    dtype: str
    dim: int
    roots: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    keep_days: float = KEEP_DAYS
    format: int = FORMAT
    tiling: str = CORRECT
    recipe: str | None = None

    def check(self, other: "Manifest") -> None:
        """Raise `DataError` unless the vectors of both models can be compared."""
        if self.fingerprint != other.fingerprint:
            raise DataError(
                f"the index was made with {self._maker}, but the model is {other._maker}: their "
                f"vectors cannot be compared; use its model in {self._how}, or another index",
                argument="model",
            )

    @property
    def _maker(self) -> str:
        return f"{self.model} (fingerprint {self.fingerprint[:8]}, {self._how})"

    @property
    def _how(self) -> str:
        told = self.dtype
        if self.tiling != CORRECT:
            told += f" with the tiling {self.tiling}"
        return f"{told} with the recipe {self.recipe}" if self.recipe else told


class IndexSettings(TypedDict):
    """The settings of an index that the next update uses, too."""

    exclude: tuple[str, ...]
    keep_days: float


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of an index folder; None if there is no index.

    Raises:
        DataError: it cannot be read, or has another format.
    """
    try:
        content = (folder / FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{folder / FILE} cannot be read as an index: {error!r}") from error
    return parse_manifest(content, str(folder))


def parse_manifest(content: bytes, folder: str) -> Manifest:
    """Return the manifest that a file of an index folder, or of another place, has.

    Raises:
        DataError: it cannot be read, or has another format.
    """
    try:
        stored = json.loads(content)
        if stored["format"] not in READABLE:
            raise DataError(
                f"the index in {folder} has format {stored['format']}, expected {FORMAT}; "
                "make a new index in another folder",
                argument="index",
            )
        lists = {name: tuple(stored.get(name, ())) for name in ("roots", "exclude")}
        return Manifest(**stored | lists | {"format": FORMAT})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}/{FILE} cannot be read as an index: {error!r}") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest atomically: after a power cut there is either the new or the old one."""
    fields = asdict(manifest)
    if manifest.tiling == CORRECT:
        del fields["tiling"]  # versions that do not know it then open the index
    if manifest.recipe is None:
        del fields["recipe"]
    write_file(folder / FILE, json.dumps(fields, indent=2) + "\n")


def merge_settings(
    there: Manifest | None,
    *,
    exclude: Iterable[str] = (),
    clear_exclude: bool = False,
    keep_days: float | None = None,
) -> IndexSettings:
    """Return the settings to store: those of the index so far, with these changes.

    Raises:
        UsageError: a pattern is not understood.
    """
    before = there.exclude if there and not clear_exclude else ()
    patterns = tuple(dict.fromkeys((*before, *exclude)))
    Exclusion(patterns)
    kept = there.keep_days if there else KEEP_DAYS
    return {"exclude": patterns, "keep_days": kept if keep_days is None else keep_days}


def default_folder() -> Path:
    """Return $E5V_INDEX, or a folder in the user's application data.

    That is ~/.local/share/e5v/index on Linux.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("e5v", appauthor=False) / "index"
