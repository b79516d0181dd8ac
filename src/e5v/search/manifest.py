"""The metadata of an index: the model of its vectors, the followed folders; its default place.

Manifest <-> index.json, written atomically
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

from e5v.errors import DataError, ModelError, UsageError
from e5v.files import write_file
from e5v.model.opening import KEPT, Opening, drop_usual
from e5v.search.exclusion import Exclusion

VARIABLE = "E5V_INDEX"
FORMAT = 4  # of the index folder; 3 had no columns of EXIF
READABLE = (1, 2, 3, 4)  # 1 had no `exclude` and `keep_days`; both had a second copy of the vectors
KEEP_DAYS = 30.0
PROMPT = "retrieval"  # for texts and images, in the index and in queries
FILE = "index.json"
PAGES, FRAMES = 200, 16  # of one file
LISTS = ("roots", "exclude", "include", "reread")
REREAD = ("pages", "frames")  # settings with which files are read again


@dataclass(frozen=True)
class Manifest:
    """The metadata of an index.

    `fingerprint` identifies the model that made the vectors; `model`, `dtype`, `tiling`, `recipe`
    unless it is E5-V's own, `adapter`, `image_tokens` and `weights` say how to open it
    (`e5v.model.opening.Opening`). `dim` is the width of a vector, `roots` the followed folders and
    files, `exclude` the patterns of excluded files, `include` those of the only ones that are taken
    (`e5v.search.exclusion`), `keep_days` how long entries of missing files are kept. Of a document
    at most `pages` are read, and of a video at most `frames`; `reread` names those of the two that
    have changed since files were read.
    """

    fingerprint: str
    model: str
    dtype: str
    dim: int
    roots: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    keep_days: float = KEEP_DAYS
    pages: int = PAGES
    frames: int = FRAMES
    reread: tuple[str, ...] = ()
    format: int = FORMAT
    tiling: str = Opening.tiling
    recipe: str | None = None
    adapter: str | None = None
    image_tokens: int | None = None
    weights: str = Opening.weights

    def check(self, other: "Manifest") -> None:
        """Raise `DataError` unless the vectors of both models can be compared."""
        if self.fingerprint != other.fingerprint:
            raise DataError(
                f"the index was made with {self._maker}, but the model is {other._maker}: their "
                f"vectors cannot be compared; {self._advise(other)}",
                argument=self._find_argument(other),
            )

    @contextmanager
    def followed(self, model: str, how: Mapping[str, Any]) -> Iterator[None]:
        """Open a model by its name in the block, with options of which some are this index's own.

        Raises:
            DataError: it is another model, and cannot be opened as that of this index is.
        """
        try:
            yield
        except (ModelError, UsageError) as error:
            option = error.argument
            ours = option in KEPT and how.get(option) == getattr(self, option)
            if model == self.model or not ours:
                raise
            cause = str(error).partition("; ")[0]  # without its advice, which is of the option
            raise DataError(
                f"the index was made with {self._maker}, but {model} cannot be opened so: {cause}; "
                "use the model of the index, or another index",
                argument="model",
            ) from error

    def _find_argument(self, other: "Manifest") -> str:
        """Return the argument to change about another model, so that vectors can be compared."""
        if self.model != other.model:
            return "model"
        different = (one for one in KEPT if getattr(self, one) != getattr(other, one))
        return next(different, "model")

    def _advise(self, other: "Manifest") -> str:
        """Return what to change about another model, so that its vectors can be compared."""
        if self.model != other.model:
            return f"use its model in {self._how}, or another index"
        if self._how != other._how:
            return f"open it in {self._how}, or use another index"
        return "its files have changed, or one of the two is of an engine alone; use another index"

    @property
    def _maker(self) -> str:
        named = f"{self.model} with {self.adapter}" if self.adapter else self.model
        return f"{named} (fingerprint {self.fingerprint[:8]}, {self._how})"

    @property
    def _how(self) -> str:
        others = (
            "" if self.tiling == Opening.tiling else f"the tiling {self.tiling}",
            f"the recipe {self.recipe}" if self.recipe else "",
            "" if self.image_tokens is None else f"image_tokens {self.image_tokens}",
            "" if self.weights == Opening.weights else f"weights {self.weights}",
        )
        unusual = " and ".join(filter(None, others))
        return f"{self.dtype} with {unusual}" if unusual else self.dtype


class IndexSettings(TypedDict):
    """The settings of an index that the next update uses, too."""

    exclude: tuple[str, ...]
    include: tuple[str, ...]
    keep_days: float
    pages: int
    frames: int
    reread: tuple[str, ...]


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
        lists = {name: tuple(stored.get(name, ())) for name in LISTS}
        return Manifest(**stored | lists | {"format": FORMAT})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}/{FILE} cannot be read as an index: {error!r}") from error


def is_current(folder: Path) -> bool:
    """Return whether the index in a folder, which can be read, was last written in this format."""
    return bool(json.loads((folder / FILE).read_bytes())["format"] == FORMAT)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest atomically: after a power cut there is either the new or the old one."""
    fields = drop_usual(asdict(manifest))
    write_file(folder / FILE, json.dumps(fields, indent=2) + "\n")


@dataclass(frozen=True)
class SettingChanges:
    """What to change of the settings of an index: patterns are added, None is left as it is.

    With `clear_patterns`, those so far are forgotten.
    """

    exclude: Iterable[str] = ()
    include: Iterable[str] = ()
    clear_patterns: bool = False
    keep_days: float | None = None
    pages: int | None = None
    frames: int | None = None


def merge_settings(there: Manifest | None, changes: SettingChanges) -> IndexSettings:
    """Return the settings to store: those of the index so far, with these changes.

    Raises:
        UsageError: a pattern is not understood.
    """
    patterns = {}
    for name in ("exclude", "include"):
        before = getattr(there, name) if there and not changes.clear_patterns else ()
        patterns[name] = tuple(dict.fromkeys((*before, *getattr(changes, name))))
    Exclusion(patterns["exclude"], patterns["include"])
    so_far = there or Manifest
    changed = {
        name
        for name in REREAD
        if there and getattr(changes, name) not in {None, getattr(there, name)}
    }
    keep_days, pages, frames = changes.keep_days, changes.pages, changes.frames
    return {
        "exclude": patterns["exclude"],
        "include": patterns["include"],
        "keep_days": so_far.keep_days if keep_days is None else keep_days,
        "pages": so_far.pages if pages is None else pages,
        "frames": so_far.frames if frames is None else frames,
        "reread": tuple(sorted(changed.union(there.reread if there else ()))),
    }


def default_folder() -> Path:
    """Return $E5V_INDEX, or a folder in the user's application data.

    That is ~/.local/share/e5v/index on Linux.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("e5v", appauthor=False) / "index"
