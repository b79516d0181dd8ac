"""Read what can be embedded from a file.

FoundFile -> an image | passages of a text | texts and images of JSON lines -> Piece, or Fault
          -> pages, frames and texts of other files: `media_readers.py`

Keys and paths of JSON lines follow the rule of `e5v.captions`.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

from e5v.captions import read_captions
from e5v.files import NO_FILE, read_state
from e5v.jsonl import LineFault
from e5v.search.catalog import Fault, Unchanged
from e5v.search.media_readers import MediaReader
from e5v.search.passages import split_passages
from e5v.search.pieces import EXCERPT, Piece, Place, digest_of
from e5v.search.records import Source
from e5v.search.scan import Form, FoundFile

NAMED = 5  # invalid lines that a fault names


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `image` is an absolute path; `text` is the text, or its captions, one per line."""

    number: int
    text: str
    image: str | None = None


def read_pieces(
    found: FoundFile, unchanged: Unchanged = lambda _: None, media: MediaReader | None = None
) -> Iterator[Piece | Fault]:
    """Read a file; yield a fault for what cannot be read.

    Without `media`, an animated image is its first frame, and only images, texts and JSON lines can
    be read.
    """
    try:
        if media is not None and media.takes(found):
            yield from media.read(found)
        else:
            yield from READERS[found.form](found, unchanged)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        unseen = Source(found.path, *NO_FILE, 0)  # always tried again
        yield Place(unseen, 0, found.path, *NO_FILE).fault(reason, "unread")


def _read_image(found: FoundFile, unchanged: Unchanged) -> Iterator[Piece | Fault]:
    place = Place.within(found, 1, 0)
    content = Path(found.path).read_bytes()
    yield place.piece(content, "") if content else place.fault("is empty (0 bytes)")


def _read_text(found: FoundFile, unchanged: Unchanged) -> Iterator[Piece | Fault]:
    try:
        text = Path(found.path).read_text(encoding="utf-8-sig")
        passages = split_passages(normalize("NFC", text))
        reason = "" if passages else "contains no text"
    except UnicodeDecodeError as error:
        passages, reason = [], f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
    if reason:
        yield Place.within(found, len(passages), 0).fault(reason)
    for number, passage in enumerate(passages, 1):
        place = Place.within(found, len(passages), number)
        yield place.piece(passage, passage[:EXCERPT])


def _read_jsonl(found: FoundFile, unchanged: Unchanged) -> Iterator[Piece | Fault]:
    """Read the file twice, so that its faults and number of parts are known first."""
    wrong: list[LineFault] = []
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


def read_lines(path: str) -> Iterator[Line | LineFault]:
    """Read a file line by line.

    Raises:
        OSError: it cannot be read.
    """
    for line in read_captions(Path(path)):
        if isinstance(line, LineFault):
            yield line
        else:
            image = None if line.image is None else os.path.normpath(line.image)
            yield Line(line.number, "\n".join(line.texts), image)


def _describe_invalid(wrong: list[LineFault], count: int) -> str:
    named = "; ".join(f"line {one.number} {one.reason}" for one in wrong)
    more = f"; and {count - len(wrong):,} more invalid lines" if count > len(wrong) else ""
    return f"has invalid lines: {named}{more}"


def _read_line(line: Line, place: Place, unchanged: Unchanged) -> Piece | Fault:
    text = normalize("NFC", line.text)
    if line.image is None:
        return place.piece(text, text[:EXCERPT])
    size, mtime = read_state(line.image)
    place = replace(place, path=line.image, size=size, mtime=mtime)
    if digest := unchanged(line.image):
        return place.piece(None, text[:EXCERPT], digest)
    try:
        content = _read_regular_file(line.image)
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


def _read_regular_file(path: str) -> bytes:
    """Read a regular file; refuse pipes and devices, which may have no end.

    Raises:
        OSError: it cannot be read.
        ValueError: its name has a NUL in it.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading a folder raises its own error
        raise OSError(errno.EINVAL, "Not a regular file")
    return Path(path).read_bytes()


READERS: dict[Form, Callable[[FoundFile, Unchanged], Iterator[Piece | Fault]]] = {
    "image": _read_image,
    "text": _read_text,
    "lines": _read_jsonl,
}
