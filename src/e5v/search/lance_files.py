"""Where the vectors of a LanceDB table lie in its data files, so that they can be memory-mapped.

version -> manifest -> fragments -> data files -> footer -> pages of one column

LanceDB's Python interface takes 9 microseconds to read a row, and a search compares up to 2,000 of
them exactly. A vector of 256 bytes or more is stored uncompressed, one after the other, so a map of
the file reads them at once, and no second copy of the vectors is needed. The format is published
(https://lance.org/format); seen with lancedb 0.40 (Lance 13.0, files of version 2.2). Whatever is
stored in another way is reported as `Unmappable`, and read through LanceDB instead.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"LANC"
MANIFEST_END = struct.Struct("<QHH4s")  # position of the manifest, version, magic
FILE_END = struct.Struct("<QQQIIHH4s")  # positions of three tables, two counts, version, magic
FORMAT = 2  # major version of the data files that are understood
NEWEST = 2**64 - 1  # manifests are named by what is left to it, so that the newest sorts first

Message = dict[int, list[int | bytes]]


class Unmappable(Exception):
    """The column is not stored as plain values."""


@dataclass(frozen=True)
class VectorPage:
    """Rows of a fragment whose values lie one after the other in a file, from `offset` (bytes)."""

    path: Path
    offset: int
    rows: int


def find_pages(
    table: Path, version: int, column: str, row_bytes: int
) -> dict[int, list[VectorPage]]:
    """Return the pages of a column by fragment number; deleted rows are among them.

    Raises:
        Unmappable: the column is compressed, has missing values, or the format is not known.
        OSError: a file does not exist any more.
    """
    try:
        manifest = _read_manifest(table, version)
        field = _find_field(manifest, column)
        found = {}
        for content in manifest.get(2, []):
            fragment = _parse(content)
            found[_integer(fragment, 1)] = _pages_of_fragment(table, fragment, field, row_bytes)
    except (struct.error, IndexError, KeyError, TypeError, ValueError) as error:
        raise Unmappable(f"unknown format: {error!r}") from error
    return found


def _read_manifest(table: Path, version: int) -> Message:
    versions = table / "_versions"
    path = versions / f"{NEWEST - version:020d}.manifest"
    if not path.exists() and (old := versions / f"{version}.manifest").exists():
        path = old  # as Lance named them until 2024
    content = path.read_bytes()
    start, _, _, magic = MANIFEST_END.unpack(content[-MANIFEST_END.size :])
    if magic != MAGIC:
        raise Unmappable("no manifest")
    size = int.from_bytes(content[start : start + 4], "little")
    return _parse(content[start + 4 : start + 4 + size])


def _find_field(manifest: Message, column: str) -> int:
    """Return the number of a column's field."""
    for content in manifest[1]:
        field = _parse(content)
        if field[2] == [column.encode()]:
            return _integer(field, 3)
    raise Unmappable(f"no column {column}")


def _pages_of_fragment(
    table: Path, fragment: Message, field: int, row_bytes: int
) -> list[VectorPage]:
    """Return the pages of one column of a fragment."""
    for content in fragment[2]:
        file = _parse(content)
        fields, columns = _integers(file, 2), _integers(file, 3)
        if field in fields:
            [name] = file[1]
            if not isinstance(name, bytes):
                raise TypeError("expected a name")
            path = table / "data" / name.decode()
            pages = _pages_of_file(path, columns[fields.index(field)], row_bytes)
            if sum(page.rows for page in pages) != _integer(fragment, 4):
                raise Unmappable(f"{path.name}: rows are missing")
            return pages
    raise Unmappable("a fragment without the column")


def _pages_of_file(path: Path, column: int, row_bytes: int) -> list[VectorPage]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - FILE_END.size))
        _, columns, _, _, _, major, _, magic = FILE_END.unpack(file.read())
        if magic != MAGIC or major != FORMAT:
            raise Unmappable(f"{path.name}: format {major}")
        file.seek(columns + 16 * column)
        start, size = struct.unpack("<QQ", file.read(16))
        file.seek(start)
        stored = _parse(file.read(size))
    pages = []
    for content in stored.get(2, []):
        page = _parse(content)
        offsets, sizes, rows = _integers(page, 1), _integers(page, 2), _integer(page, 3)
        if sizes != [rows * row_bytes]:
            raise Unmappable(f"{path.name}: {rows} rows in {sizes} bytes")
        pages.append(VectorPage(path, offsets[0], rows))
    return pages


def _parse(content: int | bytes) -> Message:
    """Parse one message of protocol buffers; values by field number."""
    if not isinstance(content, bytes):
        raise TypeError("expected a message")
    message: Message = {}
    place = 0
    while place < len(content):
        key, place = _read_varint(content, place)
        value: int | bytes
        match key & 7:
            case 0:
                value, place = _read_varint(content, place)
            case 1 | 5 as kind:
                size = 8 if kind == 1 else 4
                value, place = content[place : place + size], place + size
            case 2:
                size, place = _read_varint(content, place)
                value, place = content[place : place + size], place + size
            case kind:
                raise ValueError(f"wire type {kind}")
        message.setdefault(key >> 3, []).append(value)
    return message


def _read_varint(content: bytes, place: int) -> tuple[int, int]:
    """Read an integer of variable length; return it and the place after it."""
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:  # noqa: PLR2004
            return value, place


def _integer(message: Message, field: int) -> int:
    """Return an integer; 0 is not written."""
    [value] = message.get(field, [0])
    if not isinstance(value, int):
        raise TypeError("expected an integer")
    return value


def _integers(message: Message, field: int) -> list[int]:
    """Return a list of integers, packed or not."""
    found: list[int] = []
    for value in message.get(field, []):
        if isinstance(value, int):
            found.append(value)
            continue
        place = 0
        while place < len(value):
            number, place = _read_varint(value, place)
            found.append(number)
    return found
