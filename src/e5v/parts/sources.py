"""The inputs that parts are cut from: folders of images, files of JSON lines, and single items.

Path of a folder | Path of a .jsonl | items -> Source -> Row, one by one, the same in every process

No image is opened here. Paths are absolute, so that every worker means the same files.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Protocol

from e5v.errors import ItemError, UsageError
from e5v.image_folders import list_images
from e5v.image_formats import suffix_of
from e5v.inputs import Image, Item, RawItem, Text, normalise
from e5v.item_lines import ItemLine, read_items
from e5v.left_out import LeftOut
from e5v.places import refuse_url


@dataclass(frozen=True)
class Row:
    """One item of an input: its id, and the item, or why there is none."""

    id: str
    item: Item | None
    fault: str = ""


class Source(Protocol):
    """An input: rows in an order that is the same each time.

    `kind` says how it is read: "images", "lines", "items", or "index" (`e5v.search.part_sources`).
    """

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """What it is called in the plan: an absolute path, or a word."""

    def __iter__(self) -> Iterator[Row]:
        """Read the rows from the start."""


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder, each with its path as its id; hidden ones are left out.

    `left_out` counts the other files of the last walk.
    """

    kind: ClassVar[str] = "images"

    path: Path
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    @property
    def name(self) -> str:
        """Its absolute path."""
        return str(self.path)

    def __iter__(self) -> Iterator[Row]:
        """Walk the folder in order of path."""
        self.left_out.counts.clear()
        for path in list_images(self.path, self.left_out):
            yield Row(str(path), Item((Image(path),)))


@dataclass(frozen=True)
class ItemLines:
    """The lines of a .jsonl file; the id is the line's own "id", or FILE:LINE."""

    kind: ClassVar[str] = "lines"

    path: Path

    @property
    def name(self) -> str:
        """Its absolute path."""
        return str(self.path)

    def __iter__(self) -> Iterator[Row]:
        """Read the file line by line; a line that cannot be read is a fault."""
        for line in read_items(self.path):
            id = f"{self.path}:{line.number}"
            if isinstance(line, ItemLine):
                own = line.value.get("id") if isinstance(line.value, dict) else None
                yield Row(id if own is None else str(own), normalise(line.raw))
            else:
                yield Row(id, None, line.reason)


@dataclass(frozen=True)
class SingleItems:
    """Texts, image files and mixtures, one by one; the id of a text is the text."""

    kind: ClassVar[str] = "items"

    items: tuple[Item, ...]
    name: str = "items"

    def __iter__(self) -> Iterator[Row]:
        """Return the items in order."""
        for number, item in enumerate(self.items, 1):
            yield Row(_name_item(item) or f"{self.name}:{number}", item)


def make_sources(inputs: Iterable[RawItem]) -> tuple[Source, ...]:
    """Return the inputs that parts are cut from.

    A `Path` of a folder stands for its images, one of a .jsonl file for its lines; everything else
    is an item, as `e5v.E5V.encode` takes it. Items that follow one another are one input.

    Raises:
        UsageError: a path does not exist, an item cannot be read, or an input is given twice.
    """
    sources: list[Source] = []
    for is_file, some in groupby(inputs, _is_many):
        if is_file:
            sources += [_open_source(Path(str(one))) for one in some]
        else:
            count = sum(isinstance(one, SingleItems) for one in sources)
            named = f"items {count + 1}" if count else "items"
            sources.append(SingleItems(tuple(map(_read_item, some)), named))
    if not sources:
        raise UsageError("nothing to encode; give an input", argument="inputs")
    names = [one.name for one in sources]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{twice[0]} is given twice; give each input once", argument="inputs")
    return tuple(sources)


def _is_many(raw: RawItem) -> bool:
    return isinstance(raw, Path) and (raw.is_dir() or suffix_of(raw) == ".jsonl")


def _open_source(path: Path) -> Source:
    path = absolute(path)
    if path.is_dir():
        return ImageFolder(path)
    if not path.is_file():
        raise UsageError(f"{path} does not exist; check the path", argument="inputs")
    return ItemLines(path)


def _read_item(raw: RawItem) -> Item:
    if isinstance(raw, Path):
        refuse_url(raw, "the input", argument="inputs")
    try:
        item = normalise(raw)
    except ItemError as error:
        raise UsageError(f"an item {error.cause}", argument="inputs") from None
    parts = []
    for part in item.parts:
        if isinstance(part, Image) and isinstance(part.source, Path):
            part = Image(absolute(part.source))
            if not os.path.isfile(str(part)):  # noqa: PTH113
                raise UsageError(f"{part} does not exist; check the path", argument="inputs")
        elif isinstance(part, Image) and not isinstance(part.source, bytes):
            raise UsageError(
                "a PIL image is no input of parts: other workers cannot read it; give its file",
                argument="inputs",
            )
        parts.append(part)
    return Item(tuple(parts), item.system, item.instruction)


def absolute(path: Path) -> Path:
    """Return the absolute path, links kept: what other machines call it, too."""
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100


def _name_item(item: Item) -> str:
    """Return the text or the path of an item that is nothing else; otherwise nothing."""
    if len(item.parts) != 1:
        return ""
    [part] = item.parts
    if isinstance(part, Text):
        return part.text
    return str(part.source) if isinstance(part.source, Path) else ""
