"""The inputs that parts are cut from: folders of images, files of items, and single items.

folder | .jsonl | .parquet | .lance | .tar | items -> Source -> Row, the same in every process

No image is opened here. Paths are absolute, so that every worker means the same files; a place in
an object store is a URL.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Protocol, cast

from e5v.errors import ItemError, UsageError
from e5v.image_folders import list_images, list_stored_images
from e5v.image_formats import suffix_of
from e5v.image_names import looks_like_image
from e5v.inputs import Image, Item, RawItem, Text, normalise
from e5v.item_lines import ItemLine, read_items
from e5v.item_tables import read_item_table
from e5v.jsonl import LineFault
from e5v.lance_datasets import SUFFIX, is_dataset_name, refuse_stored_dataset
from e5v.left_out import LeftOut
from e5v.places import StoreUrl, TarMember, find_store, is_store, refuse_url
from e5v.stores.objects import find_state
from e5v.tar_items import TarItem, read_tar


@dataclass(frozen=True)
class Row:
    """One item of an input: its id, and the item, or why there is none."""

    id: str
    item: Item | None
    fault: str = ""


class Source(Protocol):
    """An input: rows in an order that is the same each time.

    `kind` says how it is read: "images", "lines", "rows", "tar", "items", or "index"
    (`e5v.search.part_sources`).
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

    path: Path | StoreUrl
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    @property
    def name(self) -> str:
        """Its absolute path, or URL."""
        return str(self.path)

    def __iter__(self) -> Iterator[Row]:
        """Walk the folder in order of path."""
        self.left_out.counts.clear()
        paths: Iterator[Path | StoreUrl] = (
            list_stored_images(self.path, self.left_out)
            if isinstance(self.path, StoreUrl)
            else list_images(self.path, self.left_out)
        )
        for path in paths:
            yield Row(str(path), Item((Image(path),)))


@dataclass(frozen=True)
class ItemLines:
    """The lines of a .jsonl file; the id is the line's own "id", or FILE:LINE."""

    kind: ClassVar[str] = "lines"

    path: Path | StoreUrl

    @property
    def name(self) -> str:
        """Its absolute path, or URL."""
        return str(self.path)

    def __iter__(self) -> Iterator[Row]:
        """Read the file line by line; a line that cannot be read is a fault."""
        return (_make_row(self.name, line) for line in read_items(self.path, stores=True))


@dataclass(frozen=True)
class ItemRows:
    """The rows of a .parquet file or a .lance folder; the id is the row's "id", or FILE:ROW."""

    kind: ClassVar[str] = "rows"

    path: Path | StoreUrl

    @property
    def name(self) -> str:
        """Its absolute path, or URL."""
        return str(self.path)

    def __iter__(self) -> Iterator[Row]:
        """Read the table row by row; a row that is no item is a fault."""
        return (_make_row(self.name, line) for line in read_item_table(self.path))


def _make_row(name: str, line: ItemLine | LineFault) -> Row:
    id = f"{name}:{line.number}"
    if isinstance(line, LineFault):
        return Row(id, None, line.reason)
    own = line.value.get("id") if isinstance(line.value, dict) else None
    return Row(id if own is None else str(own), normalise(line.raw))


@dataclass(frozen=True)
class TarImages:
    """The items of a .tar; the id is TAR/MEMBER. `left_out` counts other members."""

    kind: ClassVar[str] = "tar"

    path: Path | StoreUrl
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    @property
    def name(self) -> str:
        """Its absolute path, or URL."""
        return str(self.path)

    def __iter__(self) -> Iterator[Row]:
        """Read the headers, and give the items in order of their first members."""
        self.left_out.counts.clear()
        for one in read_tar(self.path, self.left_out):
            id = f"{self.path}/{one.name}"
            if isinstance(one, TarItem):
                yield Row(id, one.item)
            else:
                yield Row(id, None, one.reason)


FILES: dict[str, Callable[[Path | StoreUrl], Source]] = {
    ".jsonl": ItemLines,
    ".parquet": ItemRows,
    SUFFIX: ItemRows,
    ".tar": TarImages,
}


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

    A `Path` of a folder stands for its images, one of a .jsonl, .parquet, .lance or .tar for its
    items, and so does a URL of a store; everything else is an item, as `e5v.E5V.encode` takes it.
    Items that follow one another are one input.

    Raises:
        UsageError: a path does not exist, an item cannot be read, or an input is given twice.
        DataError: a store cannot be asked, or a Lance dataset is at one.
    """
    sources: list[Source] = []
    for are_files, some in groupby(map(_find_file, inputs), lambda one: not isinstance(one, Item)):
        if are_files:
            sources += map(_open_source, cast("Iterator[Path | StoreUrl]", some))
        else:
            count = sum(isinstance(one, SingleItems) for one in sources)
            named = f"items {count + 1}" if count else "items"
            sources.append(SingleItems(tuple(cast("Iterator[Item]", some)), named))
    if not sources:
        raise UsageError("nothing to encode; give an input", argument="inputs")
    names = [one.name for one in sources]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{twice[0]} is given twice; give each input once", argument="inputs")
    return tuple(sources)


def _find_file(raw: RawItem) -> Path | StoreUrl | Item:
    """Return the file or folder of many items that an input is, or its only item."""
    place: Path | StoreUrl | None = raw if isinstance(raw, Path | StoreUrl) else None
    if isinstance(raw, Path) or (isinstance(raw, str) and is_store(raw)):
        place = find_store(raw) or place
    if isinstance(place, StoreUrl):
        return _read_item(place) if looks_like_image(place.name) else place
    if place is not None and (place.is_dir() or suffix_of(place) in FILES):
        return place
    return _read_item(raw)


def _open_source(place: Path | StoreUrl) -> Source:
    make = FILES.get(suffix_of(place.name))
    if isinstance(place, StoreUrl):
        refuse_stored_dataset(place)
        if make is None:
            return _need_images(ImageFolder(place))
        if find_state(place) is None:
            raise UsageError(f"{place} does not exist; check the URL", argument="inputs")
        return make(replace(place, state=None))
    place = absolute(place)
    if place.is_dir() and not is_dataset_name(place):
        return ImageFolder(place)
    if make is None or not (place.is_file() or place.is_dir()):
        raise UsageError(f"{place} does not exist; check the path", argument="inputs")
    return make(place)


def _need_images(folder: ImageFolder) -> ImageFolder:
    """Check that a place in a store has images: there are no folders that could be missing."""
    if next(iter(folder), None) is None:
        raise UsageError(f"{folder.path} holds no images; check the URL", argument="inputs")
    return folder


def _read_item(raw: RawItem) -> Item:
    if isinstance(raw, Path):
        refuse_url(raw, "the input", argument="inputs")
    try:
        item = normalise(raw)
    except ItemError as error:
        raise UsageError(f"an item {error.cause}", argument="inputs") from None
    parts = (_check_image(one) if isinstance(one, Image) else one for one in item.parts)
    return Item(tuple(parts), item.system, item.instruction)


def _check_image(image: Image) -> Image:
    """Return an image that every worker can read."""
    if isinstance(image.source, Path):
        image = Image(absolute(image.source))
        if not os.path.isfile(str(image)):  # noqa: PTH113
            raise UsageError(f"{image} does not exist; check the path", argument="inputs")
    elif isinstance(image.source, StoreUrl):
        if find_state(image.source) is None:
            raise UsageError(f"{image} does not exist; check the URL", argument="inputs")
        return Image(replace(image.source, state=None))  # it is asked anew for each pass
    elif not isinstance(image.source, bytes | TarMember):
        raise UsageError(
            "a PIL image is no input of parts: other workers cannot read it; give its file",
            argument="inputs",
        )
    return image


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
    return str(part.source) if isinstance(part.source, Path | StoreUrl | TarMember) else ""
