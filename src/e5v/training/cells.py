"""From the cells of a row of training data to items.

text | Tevatron passage | {"image": path, "text": ...} | list of these -> text or Item, or why not
captioned image | image with a text and its targets    -> anchor and positives

In training a string is a text, whatever it looks like. An image is given as an object by the rule
of `e5v.captions`; Hugging Face's image column, `{"bytes": ..., "path": ...}`, is known, too.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from e5v.captions import (
    check_keys,
    existing_image,
    find_image,
    find_texts,
    image_key,
    image_name,
)
from e5v.errors import ItemError
from e5v.image_formats import IMAGE_SUFFIXES, is_image_name
from e5v.inputs import Image, Item, RawItem, Text, need_here, normalise
from e5v.item_lines import ImagePlaces, read_object
from e5v.jsonl import Wrong, parse, undecoded

Cells = Mapping[str, Any]  # of one row, by column
TARGET = "target"
LONGEST_SUFFIX = max(map(len, IMAGE_SUFFIXES))
HOW = "images are given in JSON lines, as {}"


class UnusableError(Exception):
    """The reason why a row gives no triplet."""


def read_items(cells: Cells, columns: Sequence[str], folder: str) -> list[RawItem]:
    """Return the items of some cells, without missing and blank ones.

    Paths of images are relative to `folder`.

    Raises:
        UnusableError: a cell is neither a text nor an item, or names a missing image.
    """
    values = _list_values(cells, columns)
    items = (_read_item(column, value, folder) for column, value in values)
    return [item for item in items if item]


def read_instruction(cells: Cells, column: str, folder: str) -> str:
    """Return the instruction in a column; empty if there is none, or no such column.

    Raises:
        UnusableError: it is not a text.
    """
    if not column:
        return ""
    value = cells[column]
    if not isinstance(value, str | bytes | None):
        raise UnusableError(f"{column} is of type {type(value).__name__}; expected text")
    read = _read_item(column, value, folder)
    assert isinstance(read, str)
    return read


def read_images(cells: Cells, columns: Sequence[str], folder: str) -> list[Item]:
    """Return the images of cells that are paths, or Hugging Face's images.

    Raises:
        UnusableError: a cell is not an image, or names a missing one.
    """
    values = _list_values(cells, columns)
    return [_read_image(column, value, folder) for column, value in values if value is not None]


def _list_values(cells: Cells, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the values of some cells, each with its column; a list has several."""
    for column in columns:
        value = cells[column]
        yield from ((column, one) for one in (value if isinstance(value, list) else [value]))


def as_item(raw: RawItem) -> Item:
    """Return an item of training data; a string is a text.

    Raises:
        ItemError: it is empty or of an unknown kind.
    """
    return Item((Text(raw),)) if isinstance(raw, str) else need_here(normalise(raw))


@dataclass(frozen=True)
class Captioned:
    """The anchor and the positives of a captioned image, or of an edit of an image."""

    anchor: RawItem
    positives: Sequence[RawItem]
    is_edit: bool = False


def read_captioned(cells: Cells, folder: str) -> Captioned:
    """Read a row of captions.jsonl, an image with captions; or of edits.jsonl, with targets.

    Raises:
        UnusableError: it breaks the rule of `e5v.captions`, or names a missing image.
    """
    given = {key: None if value == "" else value for key, value in cells.items()}  # of a CSV
    try:
        key, texts = image_key(given), find_texts(given)
        check_keys(given, folder, image=key is not None, text=bool(texts))
    except Wrong as wrong:
        raise UnusableError(str(wrong)) from None
    if key is None or not texts:
        raise UnusableError(f"has no {'image' if key is None else 'text'}; expected both")
    image = _read_image(key, given[key], folder)
    captions = [_read_text("text", text, folder) for text in texts]
    if given.get(TARGET) is None:
        return Captioned(image, captions)
    targets = read_images(given, (TARGET,), folder)
    if len(captions) != 1 or not targets:
        raise UnusableError(
            f"has {len(captions)} texts and {len(targets)} targets; expected one text"
        )
    edited = replace(image, parts=(*image.parts, *as_item(captions[0]).parts))
    return Captioned(edited, targets, is_edit=True)


def _read_item(column: str, value: Any, folder: str) -> RawItem:
    """Return an item; an empty string for one that is missing or blank."""
    if isinstance(value, dict):
        return _read_mapping(column, value, folder)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str | None):
        raise UnusableError(f"{column} is of type {type(value).__name__}; expected text")
    return _read_text(column, value or "", folder)


def _read_text(column: str, text: str, folder: str) -> str:
    """Return a text; an empty string for a blank one."""
    if reason := undecoded(text):  # a byte that did not decode, or half of a "\ud83d\ude00"
        raise UnusableError(f"{column} {reason}")
    if looks_like_name(text) and os.path.isfile(find_image(folder, text)):  # noqa: PTH113
        how = HOW.format(json.dumps({"image": text}))
        raise UnusableError(f"{column} is a text that names an image; {how}")
    if text.startswith(("data:image/", "{")) and _is_image(text):
        how = HOW.format('{"image": path}')
        raise UnusableError(f"{column} is a text that holds an image; {how}")
    return text if text.strip() else ""


def looks_like_name(text: str) -> bool:
    """Return whether a text ends in the suffix of an image."""
    return "." in text[-LONGEST_SUFFIX:] and is_image_name(text)  # few texts have a full stop there


def _is_image(text: str) -> bool:
    """Return whether a text is a data URI, or JSON of an object with an image."""
    if text.startswith("data:"):
        return True
    try:
        value = parse(text)
    except Wrong:
        return False
    return isinstance(value, dict) and image_key(value) is not None


def _read_mapping(column: str, value: Mapping[str, Any], folder: str) -> RawItem:
    """Return the item of an object; an empty string for an image of Hugging Face's without any."""
    if set(value) == {"bytes", "path"}:
        return _read_image(column, value, folder) if any(value.values()) else ""
    try:
        if image_key(value):
            return normalise(read_object(value, ImagePlaces(folder)))
        if not isinstance(value.get("text"), str):
            raise UnusableError(f"{column} is of type dict; expected text")
        check_keys(value, folder, image=False, text=True)  # an image under a misspelt key
    except Wrong as wrong:
        raise UnusableError(f"{column} {wrong}") from None
    except ItemError as error:
        raise UnusableError(f"{column} {error.cause}") from None
    passage = f"{value.get('title') or ''} {value['text']}".strip()  # Tevatron's
    return _read_text(column, passage, folder)


def _read_image(column: str, value: Any, folder: str) -> Item:
    if isinstance(value, bytes):
        return Item((Image(value),))
    try:
        if not isinstance(value, dict):
            return Item((Image(existing_image(folder, image_name(column, value))),))
        if value.get("bytes") is not None:
            return Item((Image(value["bytes"], str(value.get("path") or "")),))
        if value.get("path") is None:
            raise UnusableError(f"{column} is empty")
        return Item((Image(existing_image(folder, image_name("path", value["path"]))),))
    except Wrong as wrong:
        raise UnusableError(str(wrong)) from None
