"""Folders and files read for parts as an index reads them, so that it can adopt their vectors.

folder -> image | passages of a text | texts and images of JSON lines -> Row, in order

An image that JSON lines describe is a row of theirs alone, as in the index. No image is opened.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, TypeGuard
from unicodedata import normalize

from e5v.errors import DataError
from e5v.inputs import Image, Item, Text
from e5v.model.images import digest
from e5v.parts.plan import PlannedSource
from e5v.parts.sources import ImageFolder, ItemLines, Row, Source
from e5v.places import find_store
from e5v.search.catalog import Fault
from e5v.search.readers import Line, read_lines, read_pieces
from e5v.search.reading import PLAIN
from e5v.search.scan import FoundFile, absolute, walk

FOLLOWED = ("images", "lines", "index")  # kinds of sources


class IndexRoots:
    """The roots of one index, and the images that JSON lines in any of them describe."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)

    @cached_property
    def described(self) -> frozenset[str]:
        """Absolute paths of images that are no rows of their own."""
        files = (one for path in self.paths for one in walk(path))
        lines = (one for one in files if isinstance(one, FoundFile) and one.form == "lines")
        return frozenset(
            line.image
            for found in lines
            for line in read_lines(found.path)
            if isinstance(line, Line) and line.image is not None
        )


@dataclass(frozen=True)
class IndexRoot:
    """One folder or file, read as `e5v index` reads it."""

    kind: ClassVar[str] = "index"

    name: str
    roots: IndexRoots

    def __iter__(self) -> Iterator[Row]:
        """Walk it in order of path."""
        for found in walk(self.name):
            if _is_plain(found) and found.path not in self.roots.described:
                yield from _read_rows(found)


def make_index_sources(folders: Iterable[Path]) -> tuple[Source, ...]:
    """Return folders and files as inputs of parts that an index can adopt.

    Raises:
        DataError: one does not exist, or is a file of an unsupported type.
    """
    roots = IndexRoots(absolute(folders))
    return tuple(IndexRoot(path, roots) for path in roots.paths)


def open_sources(planned: Iterable[PlannedSource]) -> tuple[Source, ...]:
    """Return the inputs of a plan again, to see whether they have changed.

    Raises:
        DataError: an index cannot follow one, which is neither a folder nor a file, or has items
            of one that were not encoded.
    """
    planned = tuple(planned)
    if any(one.kind == "items" for one in planned):
        raise DataError(
            "the parts have texts or images that were given one by one, which an index cannot "
            "follow; encode folders or files"
        )
    if other := [one.name for one in planned if one.kind not in FOLLOWED or find_store(one.name)]:
        raise DataError(
            f"the parts are of {other[0]}, which an index cannot follow; encode folders of this "
            "machine, or .jsonl files"
        )
    roots = IndexRoots(one.name for one in planned if one.kind == "index")
    return tuple(_open_source(one, roots) for one in planned)


def _open_source(planned: PlannedSource, roots: IndexRoots) -> Source:
    if planned.kind == "index":
        return IndexRoot(planned.name, roots)
    path = Path(planned.name)
    source = ImageFolder(path) if planned.kind == "images" else ItemLines(path)
    if (without := _find_unencoded(source)) is not None:
        raise DataError(
            f"the parts have no vector of {without}, which an index has; encode these inputs again "
            "with --for-index, in another folder"
        )
    return source


def _find_unencoded(source: ImageFolder | ItemLines) -> str | None:
    """Return what an index has of an input, and its parts do not; no image is opened."""
    if isinstance(source, ImageFolder):
        found = filter(_is_plain, walk(source.name))
        return next((one.path for one in found if one.form != "image"), None)
    lines = zip(source, _read_line_rows(source.name), strict=True)
    return next((wanted.id for row, wanted in lines if not _is_same(row.item, wanted.item)), None)


def _is_same(item: Item | None, wanted: Item | None) -> bool:
    """Return whether a line was encoded as an index has it: an image without its captions."""
    if item is None or wanted is None:
        return wanted is None
    if wanted.images:
        return len(item.parts) == len(item.images) == 1
    return not item.images and digest(item) == digest(wanted)


def _is_plain(found: object) -> TypeGuard[FoundFile]:
    """Return whether something is a file that parts are read from: no document, video or RAW."""
    return isinstance(found, FoundFile) and found.form in PLAIN


def _read_rows(found: FoundFile) -> Iterator[Row]:
    if found.form == "image":
        yield Row(found.path, Item((Image(Path(found.path)),)))
    elif found.form == "lines":
        yield from _read_line_rows(found.path)
    else:
        for one in read_pieces(found):
            if not isinstance(one, Fault) and isinstance(one.content, str):
                yield Row(f"{found.path}#{one.part}", Item((Text(one.content),)))


def _read_line_rows(path: str) -> Iterator[Row]:
    for line in read_lines(path):
        id = f"{path}:{line.number}"
        if not isinstance(line, Line):
            yield Row(id, None, line.reason)
        elif line.image is None:
            yield Row(id, Item((Text(normalize("NFC", line.text)),)))
        else:
            yield Row(id, Item((Image(Path(line.image)),)))
