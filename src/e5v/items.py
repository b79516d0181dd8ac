"""What a user has, normalised once at the door.

    str | Path | PIL image | bytes | data URI | {"image", "text"} | [parts] | chat message  ->  Item

Nothing is opened or decoded here: an item only knows where its pixels are. Reading them is the
work of `model.images`, on threads ahead of the model.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e5v.errors import ItemError
from e5v.image_formats import IMAGE_SUFFIXES

if TYPE_CHECKING:
    import PIL.Image

LONGEST_NAME = 300  # characters of a path in a message; a longer one is no path but misplaced data

IMAGE_KEYS = frozenset({"image", "image_url", "url", "path", "base64", "bytes"})

RawItem = Any  # str, Path, bytes, PIL image, mapping or list of these: what `normalise` takes


@dataclass(frozen=True)
class Text:
    """A piece of text, never empty."""

    text: str


@dataclass(frozen=True, eq=False)
class Image:
    """Where an image's pixels are: a file, its encoded bytes, or a PIL image."""

    source: Path | bytes | PIL.Image.Image

    def __str__(self) -> str:
        """Name the image as an error message should: in one line, and not a long one."""
        if isinstance(self.source, Path):
            path = str(self.source)
            path = path if path.isprintable() else ascii(path)
            return path if len(path) <= LONGEST_NAME else f"{path[:LONGEST_NAME]}..."
        return f"<{len(self.source)} bytes>" if isinstance(self.source, bytes) else "<PIL image>"


Part = Text | Image


@dataclass(frozen=True)
class Item:
    """One thing to embed: its parts, in the order given; at least one."""

    parts: tuple[Part, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the item, in order."""
        return tuple(part.text for part in self.parts if isinstance(part, Text))

    @property
    def images(self) -> tuple[Image, ...]:
        """The images of the item, in order."""
        return tuple(part for part in self.parts if isinstance(part, Image))


def normalise(raw: RawItem, position: int = 0) -> Item:
    """Turn what a user has into an `Item`.

    A string is text; it is an image only if it is a data URI, or ends in a known image suffix and
    names an existing file. `Path(...)` is always a file. A mapping has "image" and/or "text" and
    means the image first, or is a chat message ("content"). A list is a mixture in its own order.

    Raises:
        ItemError: the item is empty or of a kind that is not known; names `position`.
    """
    if isinstance(raw, Item):
        return raw
    try:
        parts = tuple(_parts(raw, position))
    except RecursionError:
        raise ItemError(position, "is nested too deeply; give a flat list of parts") from None
    if not parts:
        raise ItemError(position, "is empty: give at least one text or image")
    return Item(parts)


def _parts(raw: RawItem, position: int) -> list[Part]:
    if isinstance(raw, Mapping):
        return _mapping(raw, position)
    if isinstance(raw, (list, tuple)):
        return [part for inner in raw for part in _parts(inner, position)]
    return [_part(raw, position)]


def _part(raw: RawItem, position: int) -> Part:
    if isinstance(raw, (Text, Image)):
        return raw
    if isinstance(raw, str):
        return _string(raw, position)
    if isinstance(raw, os.PathLike):
        return Image(Path(raw))
    if isinstance(raw, (bytes, bytearray, memoryview)):
        return Image(bytes(raw))
    if hasattr(raw, "convert") and hasattr(raw, "getexif"):  # a PIL image, without importing PIL
        return Image(raw)
    raise ItemError(
        position,
        f"is of type {type(raw).__name__}; expected a string, Path, PIL image, bytes, "
        '{"image": ..., "text": ...}, a list of these or a chat message',
    )


def _string(raw: str, position: int) -> Part:
    if not raw.strip():
        raise ItemError(position, "is an empty string; give some text or leave the item out")
    if raw.startswith("data:") and ";base64," in raw[:256]:
        return Image(_data_uri(raw, position))
    if os.path.splitext(raw)[1].lower() in IMAGE_SUFFIXES and _is_file(raw):  # noqa: PTH122
        return Image(Path(raw))
    return _whole(raw, position)


def _is_file(raw: str) -> bool:
    try:
        return Path(raw).is_file()
    except (OSError, ValueError):  # longer than a file name can be, or with a NUL: it is text
        return False


def _data_uri(raw: str, position: int) -> bytes:
    head, _, payload = raw.partition(",")
    try:
        return base64.b64decode(payload, validate=True)
    except ValueError as error:  # not base64, or not even ASCII
        raise ItemError(
            position, f"is a data URI ({head[:40]!a}) whose base64 is broken: {error}"
        ) from None


def _mapping(raw: Mapping[str, Any], position: int) -> list[Part]:
    if "content" in raw:  # a chat message; its role does not change the vector
        return _parts(raw["content"], position)
    texts: list[Part] = []
    images: list[Part] = []
    for key, value in raw.items():
        if value is None or key in {"type", "detail"}:  # OpenAI's "detail" asks for a resolution
            continue
        if key == "text":
            texts.append(_text(value, position))
        elif key == "base64" and isinstance(value, str) and not value.startswith("data:"):
            images.append(Image(_data_uri(f"data:;base64,{value}", position)))
        elif key == "path" and raw.get("bytes") is not None:
            continue  # {"bytes": ..., "path": name}, as the datasets library has it
        elif key in IMAGE_KEYS:
            images.extend(_image(value, position))
        else:
            raise ItemError(position, f'has the key "{key}"; expected "image", "text" or "content"')
    return images + texts


def _text(value: object, position: int) -> Text:
    if not isinstance(value, str):
        raise ItemError(position, f'has "text" of type {type(value).__name__}; expected a string')
    if not value.strip():
        raise ItemError(position, "has an empty text; give some text or leave the key out")
    return _whole(value, position)


def _whole(text: str, position: int) -> Text:
    """Refuse half a character (what a cut JSON escape leaves): no tokenizer takes it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise ItemError(
            position,
            f"has half a surrogate pair ({half}) at character {error.start}; "
            'repair the text: text.encode("utf-8", "replace").decode()',
        ) from None
    return Text(text)


def _image(value: Any, position: int) -> list[Part]:
    """Read the value under an image key: here a string is a path or a data URI, never text."""
    if isinstance(value, Mapping):  # {"image_url": {"url": "data:..."}}, as chat messages have it
        return _mapping(value, position)
    if isinstance(value, str):
        if not value:
            raise ItemError(position, "has an empty image; give a path or leave the key out")
        if value.startswith("data:"):
            return [Image(_data_uri(value, position))]
        if value.startswith(("http://", "https://")):
            raise ItemError(
                position, f"names {value}; nothing is fetched: download the image first"
            )
        return [Image(Path(value))]
    if isinstance(value, (list, tuple)):
        return [part for inner in value for part in _image(inner, position)]
    return _parts(value, position)
