"""Items to embed, and the places in files that they come from.

FoundFile -> Place -> Piece, or Fault
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e5v.search.catalog import Away, Fault
from e5v.search.records import Source
from e5v.search.scan import FoundFile

EXCERPT = 1_000  # characters of a text that the index keeps
BLOCK, MOST_BLOCKS = 2**20, 64  # bytes read at once, and how often for a digest


@dataclass(frozen=True, slots=True)
class Place:
    """The location of an item to embed: the file that names it, its part, and its own file."""

    source: Source
    part: int
    path: str
    size: int
    mtime: int

    @classmethod
    def within(cls, found: FoundFile, parts: int, part: int) -> "Place":
        """Return the place of one part of a file with `parts` parts."""
        size, mtime = found.size, found.mtime
        return cls(Source(found.path, size, mtime, parts), part, found.path, size, mtime)

    def fault(self, reason: str, away: Away = "") -> Fault:
        """Return the fault of an item that cannot be embedded."""
        return Fault(self.source, self.part, self.path, self.size, self.mtime, reason, away)

    def piece(self, content: bytes | str | None, text: str, digest: str = "") -> "Piece":
        """Return the piece at this place; `digest` is used if there is no content."""
        kind = "text" if isinstance(content, str) else "image"
        if content is not None:
            digest = digest_of(content)
        id = id_of(self.source.path, self.part)
        where = self.source, self.part, self.path, self.size, self.mtime
        return Piece(id, *where, kind, digest, content, text)


@dataclass(frozen=True, slots=True)
class Piece:
    """One item to embed: an image's bytes or a text; `text` is its caption or excerpt.

    `kind` is "image" or "text". `content` is None for an image that is unchanged since it was
    indexed, or inside of a file; `load` reads it, by `read` if that is given. Texts are in
    Unicode's composed form (NFC).
    """

    id: str
    source: Source
    part: int
    path: str
    size: int
    mtime: int
    kind: str
    digest: str
    content: bytes | str | None
    text: str
    read: Callable[[], bytes] | None = None

    def load(self) -> bytes | str:
        """Return the content, reading the file if needed.

        Raises:
            OSError: the file cannot be read.
            UnreadableError: what is inside of it cannot be decoded.
        """
        if self.read is not None:
            return self.read()
        return Path(self.path).read_bytes() if self.content is None else self.content


def id_of(source: str, part: int, again: int = 0) -> str:
    """Return the id of a part of a file; `again` distinguishes parts that had the same number."""
    return _hash(f"{source}\0{part}{f'{chr(0)}{again}' if again else ''}".encode())


def digest_of(content: bytes | str) -> str:
    """Return a hash of the content and its kind."""
    if isinstance(content, str):
        return _hash(b"text\0" + content.encode())
    return _hash(b"image\0" + content)


def digest_of_part(file: str, place: str) -> str:
    """Return a hash of an image inside of a file with the hash `file`, which is not decoded."""
    return _hash(f"inside\0{file}\0{place}".encode())


def digest_of_file(path: str) -> str:
    """Return a hash of a file's size and bytes; of a large one, such as a video, of some of them.

    So a film on a network disk is not read whole, of which a few pictures are decoded.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        state = hashlib.blake2b(b"%d" % size, digest_size=16)
        count = -(-size // BLOCK)
        for place in np.linspace(0, max(0, count - 1), min(count, MOST_BLOCKS)).astype(int):
            file.seek(int(place) * BLOCK)
            state.update(file.read(BLOCK))
    return state.hexdigest()


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
