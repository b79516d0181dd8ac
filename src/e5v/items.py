"""What a user has, normalised once at the door.

    str | Path | PIL image | bytes | data URI | {"image", "text"} | [parts] | chat message  ->  Item

Nothing is opened or decoded here: an item only knows where its pixels are. Reading them is the
work of `model.images`, on threads ahead of the model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e5v.data_uris import decode_data_uri, is_data_uri
from e5v.errors import ItemError
from e5v.image_formats import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from e5v.image_names import file_of_url, find_image_file, looks_like_image, strip, why_text

if TYPE_CHECKING:
    import PIL.Image

SHOWN = 80  # characters of a text that looks like a path, in a warning
LONGEST_NAME = 300  # characters of a path in a message; a longer one is no path but misplaced data

IMAGE_KEYS = frozenset({"image", "image_url", "url", "path", "base64", "bytes"})

RawItem = Any  # str, Path, bytes, PIL image, mapping or list of these: what `normalise` takes


@dataclass(frozen=True)
class Text:
    """A piece of text, never empty.

    `doubt` says why it is read as a text though it looks like an image ("no such file").
    """

    text: str
    doubt: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Image:
    """Where an image's pixels are: a file, its encoded bytes, or a PIL image.

    `name` is what bytes that were read from a file are called in messages.
    """

    source: Path | bytes | PIL.Image.Image
    name: str = ""

    def __str__(self) -> str:
        """Name the image as an error message should: in one line, and not a long one."""
        if self.name:
            return self.name
        if isinstance(self.source, Path):
            path = str(self.source)
            path = path if path.isprintable() else ascii(path)
            return path if len(path) <= LONGEST_NAME else f"{path[:LONGEST_NAME]}..."
        return f"<{len(self.source)} bytes>" if isinstance(self.source, bytes) else "<PIL image>"


Part = Text | Image


@dataclass(frozen=True)
class Item:
    """One thing to embed: its parts, in the order given; at least one.

    `system` is the system turn of a chat message: the task, say. It is no part of what is embedded.
    """

    parts: tuple[Part, ...]
    system: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the item, in order."""
        return tuple(part.text for part in self.parts if isinstance(part, Text))

    @property
    def images(self) -> tuple[Image, ...]:
        """The images of the item, in order."""
        return tuple(part for part in self.parts if isinstance(part, Image))

    @property
    def doubt(self) -> str:
        """Name a text of the item that looks like an image and say why it is none; "" for none."""
        for part in self.parts:
            if isinstance(part, Text) and part.doubt:
                shown = part.text if len(part.text) <= SHOWN else f"{part.text[:SHOWN]}..."
                return f"{shown!r} ({part.doubt})"
        return ""


@dataclass(frozen=True)
class _System:
    """A system turn, among the parts of a chat until the whole is read."""

    text: str


def normalise(raw: RawItem, position: int = 0) -> Item:
    """Turn what a user has into an `Item`.

    A string is text. It is an image only if it is a data URI, a `file://` URL of an image, or ends
    in a known image suffix and names an existing file; white space around these does not count.
    `{"text": ...}` is text whatever it looks like, and `Path(...)` is always a file. A mapping has
    "image" and/or "text" and means the image first, or is a chat message ("role" and "content"). A
    list is a mixture in its own order, or a chat: at most a system turn, then the user's turn; an
    empty turn of the assistant is what the vector answers, and is left out.

    Raises:
        ItemError: the item is empty or of a kind that is not known; names `position`.
    """
    if isinstance(raw, Item):
        return raw
    try:
        read = _parts(raw, position)
    except RecursionError:
        raise ItemError(position, "is nested too deeply; give a flat list of parts") from None
    turns = [part.text for part in read if isinstance(part, _System)]
    parts = tuple(part for part in read if not isinstance(part, _System))
    if not parts:
        expected = "a user's turn beside the system turn" if turns else "at least one text or image"
        raise ItemError(position, f"is empty: give {expected}")
    if any(isinstance(part, _System) for part in read[len(turns) :]):
        raise ItemError(position, "has a system turn after another turn; put it first")
    return Item(parts, "\n".join(turns) if turns else None)


def _parts(raw: RawItem, position: int) -> list[Part | _System]:
    if isinstance(raw, Item):
        return [*raw.parts] if raw.system is None else [_System(raw.system), *raw.parts]
    if isinstance(raw, Mapping):
        is_message = "content" in raw or raw.get("role") == "assistant"
        return _message(raw, position) if is_message else [*_mapping(raw, position)]
    if isinstance(raw, (list, tuple)):
        return [part for inner in raw for part in _parts(inner, position)]
    return [_part(raw, position)]


def _message(raw: Mapping[str, Any], position: int) -> list[Part | _System]:
    """Read one message of a chat by its role."""
    role, content = raw.get("role") or "user", raw.get("content")
    if role == "user":
        return _parts(content, position)
    if role in ("system", "developer"):
        return [_System(text) for text in _turn(content, role, position)]
    if role == "assistant":
        if any(text.strip() for text in _turn(content, role, position)):
            raise ItemError(
                position,
                "has an assistant turn with text; expected the user's turn, which is embedded, and "
                "at most a system turn before it",
            )
        return []
    raise ItemError(
        position, f'has the role {str(role)[:40]!a}; expected "system", "user" or "assistant"'
    )


def _turn(content: object, role: str, position: int) -> list[str]:
    """Return the text of a turn that may be empty: one string, or none."""
    pieces = [content] if isinstance(content, (str, Mapping)) else content or []
    article = "an" if role == "assistant" else "a"
    texts = []
    for piece in pieces if isinstance(pieces, (list, tuple)) else [pieces]:
        text = piece.get("text") if isinstance(piece, Mapping) else piece
        if not isinstance(text, str):
            raise ItemError(
                position, f"has {article} {role} turn that is not only text; expected a text"
            )
        texts.append(_whole(text, position).text)
    return ["".join(texts)] if texts else []


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
    if is_data_uri(raw):
        return Image(_data_uri(raw, position))
    path = _file_of_url(raw, position)
    if path is None or not looks_like_image(path):
        path = find_image_file(raw)
    return _whole(raw, position, why_text(raw)) if path is None else Image(path)


def _file_of_url(raw: str, position: int) -> Path | None:
    try:
        return file_of_url(raw)
    except ValueError as error:
        raise ItemError(position, str(error)) from None


def _data_uri(raw: str, position: int) -> bytes:
    try:
        return decode_data_uri(raw)
    except ValueError as error:
        raise ItemError(position, str(error)) from None


def _mapping(raw: Mapping[str, Any], position: int) -> list[Part]:
    texts: list[Part] = []
    images: list[Part] = []
    for key, value in raw.items():
        if value is None or key in {"type", "detail"}:  # OpenAI's "detail" asks for a resolution
            continue
        if key == "text":
            texts.append(_text(value, position))
        elif key == "base64" and isinstance(value, str) and not is_data_uri(value):
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


def _whole(text: str, position: int, doubt: str = "") -> Text:
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
    return Text(text, doubt)


def _image(value: Any, position: int) -> list[Part]:
    """Read the value under an image key: here a string is a path or a data URI, never text."""
    if isinstance(value, Mapping):  # {"image_url": {"url": "data:..."}}, as chat messages have it
        return _mapping(value, position)
    if isinstance(value, str):
        return [Image(_named_image(value, position))]
    if isinstance(value, (list, tuple)):
        return [part for inner in value for part in _image(inner, position)]
    return [_part(value, position)]


def _named_image(value: str, position: int) -> Path | bytes:
    if not value:
        raise ItemError(position, "has an empty image; give a path or leave the key out")
    if value[:LONGEST_NAME].lstrip().lower().startswith("data:"):
        return _data_uri(value, position)
    if strip(value).lower().startswith(("http://", "https://")):
        raise ItemError(
            position, f"names {strip(value)}; nothing is fetched: download the image first"
        )
    return _file_of_url(value, position) or find_image_file(value) or Path(value)
