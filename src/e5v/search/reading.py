"""What a file holds that can be embedded.

Found -> bytes -> an image | passages of a text | texts and images of JSON lines -> Piece, or Fault
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from e5v.search.faults import Fault
from e5v.search.lines import Line, WrongLine, read_lines
from e5v.search.passages import split
from e5v.search.sources import Source
from e5v.search.walking import Form, Found

EXCERPT = 1_000  # characters of a text that are kept
NAMED = 5  # wrong lines that are named


@dataclass(frozen=True)
class Piece:
    """One thing to embed: an image's bytes, or a text; `text` is then its caption or excerpt."""

    source: Source
    part: int
    path: str
    size: int
    mtime: int
    content: bytes | str
    text: str
    id: str = field(init=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Name the place and the content."""
        object.__setattr__(self, "id", _hash(f"{self.source.path}\0{self.part}".encode()))
        content = self.content if isinstance(self.content, bytes) else self.content.encode()
        object.__setattr__(self, "digest", _hash(self.kind.encode() + b"\0" + content))

    @property
    def kind(self) -> str:
        """What it is: "image" or "text"."""
        return "image" if isinstance(self.content, bytes) else "text"

    def fault(self, reason: str) -> Fault:
        """Say why it could not be embedded."""
        return Fault(self.source, self.part, self.path, self.size, self.mtime, reason)


def read(found: Found) -> Iterator[Piece | Fault]:
    """Read a file; what cannot be read is told of as a fault."""
    try:
        yield from READERS[found.form](found)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        unseen = Source(found.path, -1, -1, 0)  # tried again each time: rights have no date
        yield Fault(unseen, 0, found.path, -1, -1, reason)


def _image(found: Found) -> Iterator[Piece | Fault]:
    source = Source(found.path, found.size, found.mtime, 1)
    content = Path(found.path).read_bytes()
    piece = Piece(source, 0, found.path, found.size, found.mtime, content, "")
    yield piece if content else piece.fault("is empty (0 bytes)")


def _text(found: Found) -> Iterator[Piece | Fault]:
    try:
        passages = split(Path(found.path).read_text(encoding="utf-8-sig"))
        reason = "" if passages else "holds no text"
    except UnicodeDecodeError as error:
        passages, reason = [], f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
    source = Source(found.path, found.size, found.mtime, len(passages))
    if reason:
        yield Fault(source, 0, found.path, found.size, found.mtime, reason)
    for number, text in enumerate(passages, 1):
        yield Piece(source, number, found.path, found.size, found.mtime, text, text[:EXCERPT])


def _lines(found: Found) -> Iterator[Piece | Fault]:
    """Read the file twice, so that what is wrong and how much is right is known before the rest."""
    wrong: list[WrongLine] = []
    right = wrongs = 0
    for line in read_lines(found.path):
        if isinstance(line, Line):
            right += 1
        else:
            wrongs += 1
            wrong += [line] if len(wrong) < NAMED else []
    source = Source(found.path, found.size, found.mtime, right)
    if wrong or not right:
        reason = _told(wrong, wrongs) if wrong else "holds no lines"
        yield Fault(source, 0, found.path, found.size, found.mtime, reason)
    for line in read_lines(found.path):
        if isinstance(line, Line):
            yield _of_line(line, source)


def _told(wrong: list[WrongLine], count: int) -> str:
    named = "; ".join(f"line {one.number} {one.reason}" for one in wrong)
    more = f"; and {count - len(wrong):,} more wrong lines" if count > len(wrong) else ""
    return f"has wrong lines: {named}{more}"


def _of_line(line: Line, source: Source) -> Piece | Fault:
    if line.image is None:
        excerpt = line.text[:EXCERPT]
        place = source.path, source.size, source.mtime
        return Piece(source, line.number, *place, line.text, excerpt)
    size, mtime = look(line.image)
    try:
        content = _content(line.image)
        reason = "" if content else "is empty (0 bytes)"
    except FileNotFoundError:
        content, reason = b"", "does not exist"
    except (OSError, ValueError) as error:
        content, reason = b"", f"cannot be read: {getattr(error, 'strerror', None) or error}"
    caption = line.text[:EXCERPT]
    piece = Piece(source, line.number, line.image, size, mtime, content, caption)
    return piece.fault(reason) if reason else piece


def _content(path: str) -> bytes:
    """Read a file, and nothing that may have no end, such as a pipe.

    Raises:
        OSError: it cannot be read.
        ValueError: its name has a NUL in it.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder is told of by its own error
        raise OSError(errno.EINVAL, "Not a regular file")
    return Path(path).read_bytes()


def look(path: str) -> tuple[int, int]:
    """Return size and time of change of a file, or -1 and -1 if there is none."""
    try:
        told = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return -1, -1
    return told.st_size, told.st_mtime_ns


READERS: dict[Form, Callable[[Found], Iterator[Piece | Fault]]] = {
    "image": _image,
    "text": _text,
    "lines": _lines,
}


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
