"""JSON lines of items to embed, each checked as it is read.

file | stdin -> JsonLine -> paths of images found -> ItemLine, or LineFault

A line is a string, a list of parts, a chat message, or an object with an image, texts or both,
which are one item together, and perhaps an "instruction". Keys and paths follow the rule of
`e5v.captions`; here, an image may also be a data URI, "base64", or a list of images. A file at a
store names images relative to its folder, without images/, or by their URLs; these are not looked
for before they are read.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from e5v.captions import (
    ENCODED_KEYS,
    FILE_KEYS,
    IMAGE_KEYS,
    check_keys,
    existing_image,
    find_image,
    find_texts,
    image_key,
    image_name,
    make_lines,
    suffix,
)
from e5v.errors import ItemError, UsageError
from e5v.inputs import IMAGE_SUFFIXES, RawItem, normalise
from e5v.jsonl import JsonLine, LineFault, Wrong
from e5v.places import StoreUrl, find_store, is_store
from e5v.stores.files import open_file
from e5v.stores.objects import find_state


@dataclass(frozen=True, slots=True)
class ItemLine:
    """One item to embed: `value` as it is in the line, `raw` with the paths of its images found."""

    number: int
    value: RawItem
    raw: RawItem


@dataclass(frozen=True)
class ImagePlaces:
    """Where the images are that lines name: in `folder`, and if `stores` at any store, too."""

    folder: str | StoreUrl = ""
    stores: bool = False

    def find(self, key: str, value: object) -> Path | StoreUrl:
        """Return where the image is that a key names; on this machine it exists.

        Raises:
            Wrong: it is missing, or no path.
        """
        if self.stores and isinstance(value, str) and (store := _find_store(value)):
            return store
        name = image_name(key, value)
        return self._join(name) if isinstance(self.folder, StoreUrl) else self._look_up(name)

    def find_string(self, value: str) -> str | Path | StoreUrl:
        """Return where the image is that a string names; any other string is a text.

        Raises:
            Wrong: an image of that name is elsewhere, and would be embedded in its place.
        """
        if not self.stores and is_store(value):
            raise Wrong(f"is the URL {value.strip()}; object stores are not read here")
        if suffix(value) not in IMAGE_SUFFIXES or is_store(value):
            return value
        if isinstance(self.folder, StoreUrl):
            found = self.folder / value.strip()
            if find_state(found) is not None:
                return found
        elif os.path.isfile(path := find_image(self.folder, value)):  # noqa: PTH113
            return Path(path)
        if os.path.isfile(value):  # noqa: PTH113
            raise Wrong(f"names {value!a}, which is in the current folder and not in the file's")
        return value

    def _join(self, name: str) -> StoreUrl:
        assert isinstance(self.folder, StoreUrl)
        if name.strip().startswith(("/", "~", "file:")):
            raise Wrong(
                f"names {name!a}, a path of one machine, in a file at a store; expected a path "
                "from the folder of the file, or a URL"
            )
        return self.folder / name.strip()

    def _look_up(self, name: str) -> Path:
        assert isinstance(self.folder, str)
        return existing_image(self.folder, name)


def _find_store(value: str) -> StoreUrl | None:
    try:
        return find_store(value)
    except UsageError as error:
        raise Wrong(str(error)) from None


def read_items(
    source: Path | StoreUrl | BinaryIO, *, stores: bool = False
) -> Iterator[ItemLine | LineFault]:
    """Read the items of a file or an open stream, one at a time; every image file exists.

    With `stores`, lines may name images at stores. To check a file before anything is embedded, use
    `check_items`.

    Raises:
        OSError: the file cannot be read.
        DataError: the file is at a store, which cannot be reached or refuses.
    """
    if isinstance(source, StoreUrl):
        with open_file(source) as file:
            yield from _read_stream(file, ImagePlaces(source.parent, stores=True))
        return
    folder = str(source.parent) if isinstance(source, Path) else ""
    yield from _read_stream(source, ImagePlaces(folder, stores))


def _read_stream(source: Path | BinaryIO, places: ImagePlaces) -> Iterator[ItemLine | LineFault]:
    return make_lines(source, lambda line: _make_item_line(line, places))


def check_items(file: Path | StoreUrl) -> Iterator[LineFault]:
    """Read a file once and yield what is wrong with it: broken lines and missing images.

    No image is opened, and no more than one line is in memory. Stores are not asked for images.

    Raises:
        OSError: the file cannot be read.
        DataError: the file is at a store, which cannot be reached or refuses.
    """
    return (line for line in read_items(file, stores=True) if isinstance(line, LineFault))


def _make_item_line(line: JsonLine, places: ImagePlaces) -> ItemLine:
    value = cast("RawItem", line.value)  # checked below
    if isinstance(value, dict) and "content" not in value:
        raw = read_object(value, places)
    else:
        raw = cast("RawItem", _resolve(value, places))
    try:
        normalise(raw, line.number)
    except ItemError as error:
        raise Wrong(error.cause) from None
    return ItemLine(line.number, value, raw)


def read_object(value: Mapping[str, object], places: ImagePlaces) -> RawItem:
    """Return the item of an object with an image, texts or both; its paths are found by `places`.

    Raises:
        Wrong: it has neither, or an image is missing.
    """
    key, texts = image_key(value), find_texts(value)
    check_keys(value, str(places.folder), image=key is not None, text=bool(texts))
    parts: list[dict[str, object]] = []
    if key is not None:
        kept = key if key in ENCODED_KEYS else "image"
        parts.append({kept: _resolve_image(key, value[key], places)})
    parts += [{"text": text} for text in texts]
    if value.get("instruction") is not None:
        parts.append({"instruction": value["instruction"]})
    return {name: one for part in parts for name, one in part.items()} if len(texts) < 2 else parts  # noqa: PLR2004


def _resolve(value: object, places: ImagePlaces) -> object:
    """Return an item with the paths of its images found, however it is nested."""
    if isinstance(value, str):
        return places.find_string(value)
    if isinstance(value, list):
        return [_resolve(part, places) for part in value]
    if not isinstance(value, dict):
        return value
    if value.get("bytes") is not None:  # Hugging Face's image: its path is only a name
        return value
    if "content" in value:
        return {**value, "content": _resolve(value["content"], places)}
    images = {*IMAGE_KEYS, *FILE_KEYS}
    return {
        key: _resolve_image(key, one, places) if key in images and one is not None else one
        for key, one in value.items()
    }


def _resolve_image(key: str, value: object, places: ImagePlaces) -> object:
    if isinstance(value, list):
        return [_resolve_image(key, one, places) for one in value]
    if isinstance(value, dict):
        return _resolve(value, places)
    if key in ENCODED_KEYS or (isinstance(value, str) and value.startswith("data:")):
        return value
    return places.find(key, value)
