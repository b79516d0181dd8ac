"""Read what can be embedded from a file.

Found -> bytes -> an image | passages of a text | texts and images of JSON lines -> Piece, or Fault
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

from e5v.search.faults import Away, Fault
from e5v.search.lines import Line, WrongLine, read_lines
from e5v.search.passages import split
from e5v.search.scan import Form, Found
from e5v.search.sources import Source

EXCERPT = 1_000  # characters of a text that the index keeps
NAMED = 5  # invalid lines that a fault names


NO_FILE = (-1, -1)  # size and mtime of a missing file

# Returns the digest of an image that is unchanged since it was indexed, so that it is not read.
Unchanged = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Place:
    """The location of an item to embed: the file that names it, its part, and its own file."""

    source: Source
    part: int
    path: str
    size: int
    mtime: int

    @classmethod
    def within(cls, found: Found, parts: int, part: int) -> "Place":
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
    indexed; `load` reads it. Texts are in Unicode's composed form (NFC).
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

    def load(self) -> bytes | str:
        """Return the content, reading the file if needed.

        Raises:
            OSError: it cannot be read.
        """
        return Path(self.path).read_bytes() if self.content is None else self.content


def id_of(source: str, part: int, again: int = 0) -> str:
    """Return the id of a part of a file; `again` distinguishes parts that had the same number."""
    return _hash(f"{source}\0{part}{f'{chr(0)}{again}' if again else ''}".encode())


def read(found: Found, unchanged: Unchanged = lambda _: None) -> Iterator[Piece | Fault]:
    """Read a file; yield a fault for what cannot be read."""
    try:
        yield from READERS[found.form](found, unchanged)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        unseen = Source(found.path, *NO_FILE, 0)  # always tried again
        yield Place(unseen, 0, found.path, *NO_FILE).fault(reason, "unread")


def _read_image(found: Found, unchanged: Unchanged) -> Iterator[Piece | Fault]:
    place = Place.within(found, 1, 0)
    content = Path(found.path).read_bytes()
    yield place.piece(content, "") if content else place.fault("is empty (0 bytes)")


def _read_text(found: Found, unchanged: Unchanged) -> Iterator[Piece | Fault]:
    try:
        text = Path(found.path).read_text(encoding="utf-8-sig")
        passages = split(normalize("NFC", text))
        reason = "" if passages else "contains no text"
    except UnicodeDecodeError as error:
        passages, reason = [], f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
    if reason:
        yield Place.within(found, len(passages), 0).fault(reason)
    for number, passage in enumerate(passages, 1):
        place = Place.within(found, len(passages), number)
        yield place.piece(passage, passage[:EXCERPT])


def _read_jsonl(found: Found, unchanged: Unchanged) -> Iterator[Piece | Fault]:
    """Read the file twice, so that its faults and number of parts are known first."""
    wrong: list[WrongLine] = []
    right = wrongs = 0
    for line in read_lines(found.path):
        if isinstance(line, Line):
            right += 1
        else:
            wrongs += 1
            wrong += [line] if len(wrong) < NAMED else []
    if wrong or not right:
        reason = _describe_invalid(wrong, wrongs) if wrong else "contains no lines"
        yield Place.within(found, right, 0).fault(reason)
    for line in read_lines(found.path):
        if isinstance(line, Line):
            yield _read_line(line, Place.within(found, right, line.number), unchanged)


def _describe_invalid(wrong: list[WrongLine], count: int) -> str:
    named = "; ".join(f"line {one.number} {one.reason}" for one in wrong)
    more = f"; and {count - len(wrong):,} more invalid lines" if count > len(wrong) else ""
    return f"has invalid lines: {named}{more}"


def _read_line(line: Line, place: Place, unchanged: Unchanged) -> Piece | Fault:
    text = normalize("NFC", line.text)
    if line.image is None:
        return place.piece(text, text[:EXCERPT])
    size, mtime = look(line.image)
    place = replace(place, path=line.image, size=size, mtime=mtime)
    if digest := unchanged(line.image):
        return place.piece(None, text[:EXCERPT], digest)
    try:
        content = _content(line.image)
    except (FileNotFoundError, NotADirectoryError):
        return place.fault("does not exist", "missing")
    except ValueError as error:
        return place.fault(f"cannot be read: {error}")
    except OSError as error:
        is_no_file = error.errno in {errno.EINVAL, errno.EISDIR}
        return place.fault(f"cannot be read: {error.strerror}", "" if is_no_file else "unread")
    return place.piece(content, text[:EXCERPT]) if content else place.fault("is empty (0 bytes)")


def whole_text(path: str, digest: str) -> str | None:
    """Return the text in JSON lines that has a digest, or None if no line has it.

    Raises:
        OSError: the file cannot be read.
    """
    for line in read_lines(path):
        if isinstance(line, Line) and line.image is None:
            text = normalize("NFC", line.text)
            if digest_of(text) == digest:
                return text
    return None


def digest_of(content: bytes | str) -> str:
    """Return a hash of the content and its kind."""
    if isinstance(content, str):
        return _hash(b"text\0" + content.encode())
    return _hash(b"image\0" + content)


def _content(path: str) -> bytes:
    """Read a regular file; refuse pipes and devices, which may have no end.

    Raises:
        OSError: it cannot be read.
        ValueError: its name has a NUL in it.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading a folder raises its own error
        raise OSError(errno.EINVAL, "Not a regular file")
    return Path(path).read_bytes()


def look(path: str) -> tuple[int, int]:
    """Return size and mtime of a file, or `NO_FILE` if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return NO_FILE
    return status.st_size, status.st_mtime_ns


READERS: dict[Form, Callable[[Found, Unchanged], Iterator[Piece | Fault]]] = {
    "image": _read_image,
    "text": _read_text,
    "lines": _read_jsonl,
}


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
