"""What is encoded: real sentences, real photos, and both shuffled together.

    CSV with a column sent0, folder of .jpg -> Task per kind of work, no item twice

Items are distinct, because e5v embeds equal ones once and its peers do not.
"""

import csv
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

SEED = 0


@dataclass(frozen=True)
class Task:
    """A list to encode in one call: strings are texts, paths are photos."""

    name: str
    items: tuple[str | Path, ...]


def read_sentences(file: Path) -> list[str]:
    """Read the distinct sentences of column sent0, in the order of the file."""
    with file.open(newline="") as lines:
        return list(dict.fromkeys(row["sent0"].strip() for row in csv.DictReader(lines)))


def read_photos(folder: Path, most: int) -> list[Path]:
    """List up to `most` photos of distinct content, by name.

    Raises:
        SystemExit: there is none.

    """
    photos = list(islice(_distinct(folder), most))
    if not photos:
        raise SystemExit(f"{folder} has no .jpg file; expected a folder of photos")
    return photos


def _distinct(folder: Path) -> Iterator[Path]:
    seen = set()
    for path in sorted(folder.glob("*.jpg")):
        digest = hashlib.blake2b(path.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            yield path


def make_tasks(sentences: list[str], photos: list[Path]) -> tuple[Task, ...]:
    """Make the three kinds of work: texts, photos, and all of them shuffled."""
    mixed: list[str | Path] = [*sentences, *photos]
    random.Random(SEED).shuffle(mixed)
    return (
        Task("texts", tuple(sentences)),
        Task("photos", tuple(photos)),
        Task("mixed", tuple(mixed)),
    )
