"""Read a file again that has records, also while another program is writing it.

FoundFile, what was said of it before -> its parts | its parts and one fault: empty, or unfinished

A program that writes a file of lines anew empties it first: for a moment it has no lines, or some
of them. The records of lines that are not there then are kept until the next run. A file whose last
line is cut off counts as unfinished in one run only: it may stay so.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from e5v.files import NO_FILE, read_state
from e5v.jsonl import LineFault
from e5v.search.catalog import Fault, Unchanged
from e5v.search.media_readers import MediaReader
from e5v.search.pieces import Piece, Place
from e5v.search.readers import Line, read_lines, read_pieces
from e5v.search.records import Source
from e5v.search.scan import FoundFile

BLANK = b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"  # white space, NUL and byte-order marks
BLOCK = 2**16


def reread(
    found: FoundFile,
    unchanged: Unchanged,
    told: Sequence[Fault],
    media: MediaReader | None = None,
) -> list[Piece | Fault]:
    """Read all parts of a file that has records; images that lines name are without their bytes.

    `told` are the faults of the file in the last run. If the file is empty or unfinished, one fault
    says so in place of what is invalid in it.
    """
    if found.form != "lines":
        return list(read_pieces(found, unchanged, media))
    parts = [_without_bytes(one) for one in read_pieces(found, unchanged)]
    whole = [one for one in parts if isinstance(one, Fault) and not one.part]
    if any(fault.away for fault in whole):  # it could not be read
        return parts
    within = [one for one in parts if one.part]
    if not within and is_blank(found.path):
        return [make_empty_fault(found.path)]
    try:
        last = deque(read_lines(found.path), maxlen=1) if whole else ()
        unfinished = is_unfinished(found, last[0] if last else None, told)
    except OSError:  # removed since
        unfinished = True
    return [*within, _make_unfinished_fault(found)] if unfinished else parts


def is_blank(path: str) -> bool:
    """Return whether a file has nothing but white space, NUL bytes and byte-order marks."""
    try:
        with Path(path).open("rb") as file:
            return not any(block.strip(BLANK) for block in iter(lambda: file.read(BLOCK), b""))
    except OSError:
        return False


def is_unfinished(found: FoundFile, last: Line | LineFault | None, told: Sequence[Fault]) -> bool:
    """Return whether a file has changed since it was listed, or its last line is cut off.

    `last` is the last line that was read. A line that was cut off in the last run, too, in the same
    state of the file, is just invalid.

    Raises:
        OSError: it cannot be read.
    """
    state = (found.size, found.mtime)
    if read_state(found.path) != state:
        return True
    if not isinstance(last, LineFault) or _has_line_end(found.path):
        return False
    return not any(fault.away == "unread" and (fault.size, fault.mtime) == state for fault in told)


def make_empty_fault(path: str) -> Fault:
    """Return the fault of a file that has records, but no lines now."""
    place = Place(Source(path, *NO_FILE, 0), 0, path, *NO_FILE)
    return place.fault("is empty; its entries are kept offline until it has lines again", "missing")


def _make_unfinished_fault(found: FoundFile) -> Fault:
    place = Place(Source(found.path, *NO_FILE, 0), 0, found.path, found.size, found.mtime)
    return place.fault("was being written; its entries are kept until the next run", "unread")


def _has_line_end(path: str) -> bool:
    """Return whether a file ends with a line end, in any encoding."""
    with Path(path).open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 4))
        return file.read().rstrip(b"\0").endswith((b"\r", b"\n"))  # UTF-16 adds NUL


def _without_bytes(one: Piece | Fault) -> Piece | Fault:
    """Drop the bytes of an image that a line names: a file may name thousands."""
    return replace(one, content=None) if isinstance(one, Piece) and one.kind == "image" else one
