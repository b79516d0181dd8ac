"""The record of a run, by which a resumed one is told from any other.

data, teacher, model -> where they are, for readers; and digests of what they are -> recipe.json

A run goes on with the same data, teacher and model, wherever they are by now; a model of the hub is
told by its id. In records of older versions, which lack a digest, the path counts.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e5v.errors import DataError, first_line
from e5v.model.bundled import NAMES, whereabouts

if TYPE_CHECKING:
    from e5v.training.triplets import Source

WHOLE = 4 << 20  # bytes of a model's file, up to which all of it is read
SAMPLES, SAMPLE = 64, 64 << 10  # of a larger file: how many, and the bytes of each
UNTOLD = (".md", ".lock")  # files of a model that change nothing
OLDER: Mapping[str, Any] = {
    "tiling": "correct",
    "train": "language",
}  # what older records do not say


@dataclass(frozen=True)
class Identified:
    """Something that has a place and a content: their names in the record, and what it is."""

    place: str
    content: str
    what: str

    def differs(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """Return whether it is another one now."""
        if before.get(self.content) and now.get(self.content):
            return bool(before[self.content] != now[self.content])
        places = [_absolute(one.get(self.place)) for one in (before, now)]
        return bool(places[0] != places[1])

    def tell(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
        """Say that it is another one."""
        names = [_join(one.get(self.place)) for one in (before, now)]
        same = "one of the same name whose content has changed" if names[0] == names[1] else ""
        return f"the {self.what} {names[0]}, got {same or names[1]}"


IDENTIFIED = (
    Identified("model", "model_content", "model"),
    Identified("data", "content", "data"),
    Identified("teacher", "teacher_content", "teacher"),
)


def find_change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Say what has changed between two records, the first thing; None if nothing has."""
    before = {**OLDER, **before}
    for one in IDENTIFIED:
        if one.differs(before, now):
            return one.tell(before, now)
    known = {name for one in IDENTIFIED for name in (one.place, one.content)}
    if "parts" not in before:
        known.add("parts")
    for key in now:
        if key not in known and now[key] != before.get(key):
            return f"{key} {before.get(key)}, got {now[key]}"
    return None


def list_parts(sources: "Iterable[Source]") -> list[dict[str, int]]:
    """Return of each file how many rows it has, and how they are read: their order hangs on it."""
    return [
        {"rows": one.size}
        | ({"groups": len(one.groups), "together": one.together} if one.groups else {})
        for one in sources
    ]


def digest_file(file: Path) -> str:
    """Return a digest of a file's content, 32 hexadecimal digits.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, _new_digest).hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {first_line(error)}") from error


def digest_model(name: str) -> str | None:
    """Return a digest of a model's folder, 32 hexadecimal digits; None for one of the hub.

    Of large files, which are weights, some of the bytes are read: those of two trainings differ all
    over.
    """
    folder = Path(whereabouts(name) if name in NAMES else name)
    if not folder.is_dir():
        return None
    state = _new_digest()
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.suffix not in UNTOLD and not file.name.startswith("."):
            state.update(f"{file.name} {file.stat().st_size}\n".encode())
            for part in _sample(file):
                state.update(part)
    return state.hexdigest()


def _new_digest() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=16)


def _sample(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= WHOLE:
            yield stream.read()
            return
        for number in range(SAMPLES):
            stream.seek(number * (size - SAMPLE) // (SAMPLES - 1))
            yield stream.read(SAMPLE)


def _absolute(place: Any) -> Any:
    """Return the place of a file or folder that is there, whatever way it is named."""
    if isinstance(place, list):
        return [_absolute(one) for one in place]
    there = isinstance(place, str) and place not in NAMES and Path(place).exists()
    return str(Path(place).resolve()) if there else place


def _join(place: Any) -> str:
    return ", ".join(place) or "given as rows" if isinstance(place, list) else str(place)


def as_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as JSON gives it back."""
    values: dict[str, Any] = json.loads(json.dumps(dict(record), default=str))
    return values
