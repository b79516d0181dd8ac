"""From the cells of a row of training data to items.

text | Tevatron passage | {"image": path, "text": ...} | list of these -> text or Item, or why not

In training a string is a text, whatever it looks like. An image is given as an object by the rule
of `e5v.captions`; Hugging Face's image column, `{"bytes": ..., "path": ...}`, is known, too.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from e5v.captions import existing_image, find_image, image_key, image_name
from e5v.errors import ItemError
from e5v.image_formats import is_image_name
from e5v.inputs import Image, Item, Part, RawItem, Text, normalise
from e5v.item_lines import read_object
from e5v.jsonl import Wrong, undecoded

Cells = Mapping[str, Any]  # of one row, by column


class UnusableError(Exception):
    """The reason why a row gives no triplet."""


def read_items(cells: Cells, columns: Sequence[str], folder: str) -> list[RawItem]:
    """Return the items of some cells, without missing and blank ones.

    Paths of images are relative to `folder`.

    Raises:
        UnusableError: a cell is neither a text nor an item, or names a missing image.
    """
    items = (
        _read_item(column, one, folder)
        for column in columns
        for one in (cells[column] if isinstance(cells[column], list) else [cells[column]])
    )
    return [item for item in items if item]


def read_images(cells: Cells, columns: Sequence[str], folder: str) -> list[Item]:
    """Return the images of cells that are paths, or Hugging Face's images.

    Raises:
        UnusableError: a cell is not an image, or names a missing one.
    """
    return [
        _read_image(column, one, folder)
        for column in columns
        for one in (cells[column] if isinstance(cells[column], list) else [cells[column]])
        if one is not None
    ]


def as_item(raw: RawItem) -> Item:
    """Return an item of training data; a string is a text.

    Raises:
        ItemError: it is empty or of an unknown kind.
    """
    return Item((Text(raw),)) if isinstance(raw, str) else normalise(raw)


def identify(raw: RawItem) -> str:
    """Return a string that is equal for items of equal content: a text without outer spaces.

    An image is known by its path, or by its bytes or pixels if it has none.
    """
    if isinstance(raw, str):
        return raw.strip()
    return "".join(map(_identify_part, as_item(raw).parts))


def _identify_part(part: Part) -> str:
    if isinstance(part, Text):
        return part.text.strip()
    source = part.source
    if isinstance(source, Path):
        return f"\0{os.path.realpath(source)}\0"
    content = source if isinstance(source, bytes) else repr(source.size).encode() + source.tobytes()
    return f"\0{hashlib.blake2b(content, digest_size=16).hexdigest()}\0"


def _read_item(column: str, value: Any, folder: str) -> RawItem:
    """Return an item; an empty string for one that is missing or blank."""
    if isinstance(value, dict):
        if isinstance(value.get("bytes"), bytes) or image_key(value):
            return _read_object(column, value, folder)
        if isinstance(value.get("text"), str):  # a Tevatron passage
            value = f"{value.get('title') or ''} {value['text']}".strip()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str | None):
        raise UnusableError(f"{column} is of type {type(value).__name__}; expected text")
    text = value or ""
    if reason := undecoded(text):  # a byte that did not decode, or half of a "\ud83d\ude00"
        raise UnusableError(f"{column} {reason}")
    if is_image_name(text) and os.path.isfile(find_image(folder, text)):  # noqa: PTH113
        raise UnusableError(f'{column} names an image; write it as {{"image": {text!a}}}')
    return text if text.strip() else ""


def _read_object(column: str, value: Mapping[str, Any], folder: str) -> Item:
    try:
        has_bytes = isinstance(value.get("bytes"), bytes)
        return normalise(dict(value) if has_bytes else read_object(value, folder))
    except Wrong as wrong:
        raise UnusableError(f"{column} {wrong}") from None
    except ItemError as error:
        raise UnusableError(f"{column} {error.cause}") from None


def _read_image(column: str, value: Any, folder: str) -> Item:
    if isinstance(value, dict):
        return _read_object(column, value, folder)
    try:
        return Item((Image(existing_image(folder, image_name(column, value))),))
    except Wrong as wrong:
        raise UnusableError(str(wrong)) from None
