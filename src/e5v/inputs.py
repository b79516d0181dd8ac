"""Convert every kind of input to an `Item`.

    str | Path | PIL image | bytes | data URI | {"image", "text"} | [parts] | chat message  ->  Item

No file is opened or decoded here: an item only has the location of its pixels. `model.images` reads
them, on threads ahead of the model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, Union, cast

from e5v.data_uris import decode_data_uri, is_data_uri
from e5v.errors import ItemError
from e5v.image_formats import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from e5v.image_names import why_text
from e5v.image_sources import find_image_source, find_source
from e5v.jsonl import find_surrogate
from e5v.places import StoreUrl, TarMember, find_store

if TYPE_CHECKING:
    import PIL.Image

SHOWN = 80  # characters of a text that looks like a path, in a warning
LONGEST_NAME = 300  # characters of a path in a message; a longer one is probably data, not a path

Named = TypeVar("Named")
Found = TypeVar("Found")

IMAGE_KEYS = frozenset({"image", "image_url", "url", "path", "base64", "bytes"})


@dataclass(frozen=True)
class Text:
    """A piece of text, never empty.

    If the text looks like an image path, `doubt` says why it is not one ("no such file").
    """

    text: str
    doubt: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Image:
    """Where an image's pixels are: a file, here or at a store, its encoded bytes, or a PIL image.

    `name` is the file that bytes were read from, for messages.
    """

    source: Path | StoreUrl | TarMember | bytes | PIL.Image.Image
    name: str = ""

    def __str__(self) -> str:
        """Return a short name for error messages, on one line."""
        if self.name:
            return self.name
        if isinstance(self.source, Path | StoreUrl | TarMember):
            path = str(self.source)
            path = path if path.isprintable() else ascii(path)
            return path if len(path) <= LONGEST_NAME else f"{path[:LONGEST_NAME]}..."
        return f"<{len(self.source)} bytes>" if isinstance(self.source, bytes) else "<PIL image>"


Part = Text | Image
Side = Literal["query", "document"]


@dataclass(frozen=True)
class Item:
    """One thing to embed: its parts (at least one), in order.

    `system` is the system turn of a chat, such as an instruction. It is not itself embedded.
    `instruction` says what the item is for, such as "Find an answer"; it goes where the prompt has
    a slot for it. `side` is that of the item, if it is not the call's: some models have two.
    """

    parts: tuple[Part, ...]
    system: str | None = None
    instruction: str = ""
    side: Side | None = None

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
        """The first text that looks like an image path, and why it is not one; otherwise ""."""
        for part in self.parts:
            if isinstance(part, Text) and part.doubt:
                shown = part.text if len(part.text) <= SHOWN else f"{part.text[:SHOWN]}..."
                return f"{shown!r} ({part.doubt})"
        return ""


# What `normalise` takes. A mapping has the keys "image" and/or "text", or is a chat message with
# "role" and "content"; its values are checked when it is read, since JSON gives no better type.
TextInput: TypeAlias = str | Text
ImageInput: TypeAlias = (
    os.PathLike[str] | StoreUrl | bytes | bytearray | memoryview | Union["PIL.Image.Image", Image]
)
MessageInput: TypeAlias = Mapping[str, object]
MixedInput: TypeAlias = Mapping[str, object] | Sequence["RawItem"]
RawItem: TypeAlias = TextInput | ImageInput | MessageInput | MixedInput | Item


@dataclass(frozen=True)
class _Aside:
    """A system turn or an instruction, kept among the parts until the whole item is read."""

    text: str
    is_system: bool = True


def normalise(raw: RawItem, position: int = 0) -> Item:
    """Convert a user's input to an `Item`.

    A string is text, unless it is a data URI, a `file://` URL of an image, the URL of an image in
    an object store, such as s3://bucket/cat.jpg, or the path of an existing file with an image
    suffix; white space around these is ignored. `{"text": ...}` is always text, and `Path(...)` and
    `{"image": ...}` are always a file. A mapping is either "image" and/or "text", image first, with
    an "instruction" if it has one, or a chat message ("role" and "content"). A list is a mixture in
    the order given, or a chat: an optional system turn, then the user's turn; an empty assistant
    turn is ignored.

    Raises:
        ItemError: the item is empty or of an unknown kind; names `position`.
    """
    if isinstance(raw, Item):
        return raw
    try:
        read = _read_parts(raw, position)
    except RecursionError:
        raise ItemError(position, "is nested too deeply; give a flat list of parts") from None
    turns = [part.text for part in read if isinstance(part, _Aside) and part.is_system]
    told = [part.text for part in read if isinstance(part, _Aside) and not part.is_system]
    parts = tuple(part for part in read if not isinstance(part, _Aside))
    if not parts:
        expected = "a user turn after the system turn" if turns else "at least one text or image"
        raise ItemError(position, f"is empty: give {expected}")
    if any(isinstance(part, _Aside) and part.is_system for part in read[len(turns) :]):
        raise ItemError(position, "has a system turn after another turn; put the system turn first")
    return Item(parts, "\n".join(turns) if turns else None, "\n".join(told))


def need_here(item: Item, position: int = 0) -> Item:
    """Return an item that has no image at a store, for what reads files of this machine only.

    Raises:
        ItemError: it has one; names `position`.
    """
    for image in item.images:
        if isinstance(image.source, StoreUrl):
            raise ItemError(position, f"is the URL {image}; object stores are not read here")
    return item


def _read_parts(raw: object, position: int) -> list[Part | _Aside]:
    if isinstance(raw, Item):
        return [*raw.parts] if raw.system is None else [_Aside(raw.system), *raw.parts]
    if isinstance(raw, Mapping):
        is_message = "content" in raw or raw.get("role") == "assistant"
        return _read_message(raw, position) if is_message else [*_read_mapping(raw, position)]
    if isinstance(raw, (list, tuple)):
        return [part for inner in raw for part in _read_parts(inner, position)]
    return [_read_part(raw, position)]


def _read_message(raw: MessageInput, position: int) -> list[Part | _Aside]:
    """Read one message of a chat by its role."""
    role, content = raw.get("role") or "user", raw.get("content")
    if role == "user":
        return _read_parts(content, position)
    if role in ("system", "developer"):
        return [_Aside(text) for text in _read_turn(content, role, position)]
    if role == "assistant":
        if any(text.strip() for text in _read_turn(content, role, position)):
            raise ItemError(
                position,
                "has an assistant turn with text; expected one user turn and, before it, "
                "at most one system turn",
            )
        return []
    raise ItemError(
        position, f'has the role {str(role)[:40]!a}; expected "system", "user" or "assistant"'
    )


def _read_turn(content: object, role: str, position: int) -> list[str]:
    """Return the text of a turn as a list of one string; an empty list for an empty turn."""
    pieces = [content] if isinstance(content, (str, Mapping)) else content or []
    article = "an" if role == "assistant" else "a"
    texts = []
    for piece in pieces if isinstance(pieces, (list, tuple)) else [pieces]:
        text = piece.get("text") if isinstance(piece, Mapping) else piece
        if not isinstance(text, str):
            raise ItemError(
                position,
                f"has {article} {role} turn with other content than text; expected text only",
            )
        texts.append(_checked_text(text, position).text)
    return ["".join(texts)] if texts else []


def _read_part(raw: object, position: int) -> Part:
    if isinstance(raw, (Text, Image)):
        return raw
    if isinstance(raw, str):
        return _read_string(raw, position)
    if isinstance(raw, os.PathLike):
        return Image(_of_string(find_store, raw, position) or Path(raw))
    if isinstance(raw, StoreUrl):
        return Image(raw)
    if isinstance(raw, (bytes, bytearray, memoryview)):
        return Image(bytes(raw))
    if hasattr(raw, "convert") and hasattr(raw, "getexif"):  # a PIL image, without importing PIL
        return Image(cast("PIL.Image.Image", raw))
    raise ItemError(
        position,
        f"is of type {type(raw).__name__}; expected a string, Path, PIL image, bytes, "
        '{"image": ..., "text": ...}, a list of these or a chat message',
    )


def _read_string(raw: str, position: int) -> Part:
    if not raw.strip():
        raise ItemError(position, "is an empty string; expected text: fill it or remove the item")
    source = _of_string(find_source, raw, position)
    return _checked_text(raw, position, why_text(raw)) if source is None else Image(source)


def _of_string(read: Callable[[Named], Found], raw: Named, position: int) -> Found:
    try:
        return read(raw)
    except ValueError as error:
        raise ItemError(position, str(error)) from None


def _read_mapping(raw: MessageInput, position: int) -> list[Part | _Aside]:
    texts: list[Part | _Aside] = []
    images: list[Part | _Aside] = []
    for key, value in raw.items():
        if value is None or key in {"type", "detail"}:  # OpenAI's "detail" asks for a resolution
            continue
        if key == "text":
            texts.append(_read_text(value, position))
        elif key == "instruction":
            texts.append(_Aside(_read_text(value, position, key).text, is_system=False))
        elif key == "base64" and isinstance(value, str) and not is_data_uri(value):
            images.append(Image(_of_string(decode_data_uri, f"data:;base64,{value}", position)))
        elif key == "path" and raw.get("bytes") is not None:
            continue  # {"bytes": ..., "path": name}, as in the datasets library
        elif key in IMAGE_KEYS:
            images.extend(_read_image(value, position))
        else:
            raise ItemError(position, f'has the key "{key}"; expected "image", "text" or "content"')
    return images + texts


def _read_text(value: object, position: int, key: str = "text") -> Text:
    if not isinstance(value, str):
        raise ItemError(position, f'has "{key}" of type {type(value).__name__}; expected a string')
    if not value.strip():
        raise ItemError(position, f"has an empty {key}; expected text: fill it or remove the key")
    return _checked_text(value, position)


def _checked_text(text: str, position: int, doubt: str = "") -> Text:
    """Reject half a surrogate pair (from a truncated JSON escape): no tokenizer accepts it."""
    if (at := find_surrogate(text)) is not None:
        half = f"U+{ord(text[at]):04X}"
        raise ItemError(
            position,
            f"has half a surrogate pair ({half}) at character {at}; "
            'repair the text: text.encode("utf-8", "replace").decode()',
        )
    return Text(text, doubt)


def _read_image(value: object, position: int) -> list[Part | _Aside]:
    """Read the value of an image key: a string is a path or a data URI here, never text."""
    if isinstance(value, Mapping):  # {"image_url": {"url": "data:..."}}, as in chat messages
        return _read_mapping(value, position)
    if isinstance(value, str):
        return [Image(_of_string(find_image_source, value, position))]
    if isinstance(value, (list, tuple)):
        return [part for inner in value for part in _read_image(inner, position)]
    return [_read_part(value, position)]
