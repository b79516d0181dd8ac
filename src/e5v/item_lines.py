"""JSON lines of items to embed, each checked as it is read.

file | stdin -> JsonLine -> paths of images found -> ItemLine, or LineFault

A line is a string, a list of parts, a chat message, or an object with an image, texts or both,
which are one item together. Keys and paths follow the rule of `e5v.captions`; here, an image may
also be a data URI, "base64", or a list of images.
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
from e5v.errors import ItemError
from e5v.inputs import IMAGE_SUFFIXES, RawItem, normalise
from e5v.jsonl import JsonLine, LineFault, Wrong


@dataclass(frozen=True, slots=True)
class ItemLine:
    """One item to embed: `value` as it is in the line, `raw` with the paths of its images found."""

    number: int
    value: RawItem
    raw: RawItem


def read_items(source: Path | BinaryIO) -> Iterator[ItemLine | LineFault]:
    """Read the items of a file or an open stream, one at a time; every image file exists.

    To check a file before anything is embedded, use `check_items`.

    Raises:
        OSError: the file cannot be read.
    """
    folder = str(source.parent) if isinstance(source, Path) else ""
    return make_lines(source, lambda line: _make_item_line(line, folder))


def check_items(file: Path) -> Iterator[LineFault]:
    """Read a file once and yield what is wrong with it: broken lines and missing images.

    No image is opened, and no more than one line is in memory.

    Raises:
        OSError: the file cannot be read.
    """
    return (line for line in read_items(file) if isinstance(line, LineFault))


def _make_item_line(line: JsonLine, folder: str) -> ItemLine:
    value = cast("RawItem", line.value)  # checked below
    if isinstance(value, dict) and "content" not in value:
        raw = read_object(value, folder)
    else:
        raw = cast("RawItem", _resolve(value, folder))
    try:
        normalise(raw, line.number)
    except ItemError as error:
        raise Wrong(error.cause) from None
    return ItemLine(line.number, value, raw)


def read_object(value: Mapping[str, object], folder: str) -> RawItem:
    """Return the item of an object with an image, texts or both; its paths are found in `folder`.

    Raises:
        Wrong: it has neither, or an image is missing.
    """
    key, texts = image_key(value), find_texts(value)
    check_keys(value, folder, image=key is not None, text=bool(texts))
    parts: list[dict[str, object]] = []
    if key is not None:
        kept = key if key in ENCODED_KEYS else "image"
        parts.append({kept: _resolve_image(key, value[key], folder)})
    parts += [{"text": text} for text in texts]
    return {name: one for part in parts for name, one in part.items()} if len(texts) < 2 else parts  # noqa: PLR2004


def _resolve(value: object, folder: str) -> object:
    """Return an item with the paths of its images found, however it is nested."""
    if isinstance(value, str):
        return _resolve_string(value, folder)
    if isinstance(value, list):
        return [_resolve(part, folder) for part in value]
    if not isinstance(value, dict):
        return value
    if value.get("bytes") is not None:  # Hugging Face's image: its path is only a name
        return value
    if "content" in value:
        return {**value, "content": _resolve(value["content"], folder)}
    images = {*IMAGE_KEYS, *FILE_KEYS}
    return {
        key: _resolve_image(key, one, folder) if key in images and one is not None else one
        for key, one in value.items()
    }


def _resolve_string(value: str, folder: str) -> str | Path:
    """Return the path of an image that a string names; any other string is a text."""
    if suffix(value) not in IMAGE_SUFFIXES:
        return value
    found = find_image(folder, value)
    if os.path.isfile(found):  # noqa: PTH113
        return Path(found)
    if os.path.isfile(value):  # noqa: PTH113  it would be embedded in place of the missing one
        raise Wrong(f"names {value!a}, which is in the current folder and not in the file's")
    return value


def _resolve_image(key: str, value: object, folder: str) -> object:
    if isinstance(value, list):
        return [_resolve_image(key, one, folder) for one in value]
    if isinstance(value, dict):
        return _resolve(value, folder)
    if key in ENCODED_KEYS or (isinstance(value, str) and value.startswith("data:")):
        return value
    return existing_image(folder, image_name(key, value))
