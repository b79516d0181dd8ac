"""Read an item as a client sends it, in any format that clients of other servers use.

    "text" | {"text", "image"} | {"type": "text" | "image_url", ...} | {"content": [...]}
        -> RequestItem: texts, and images as the client named them

A string is always text. An image is a data URI, base64 or a URL; paths are never opened for a
client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from e5v.data_uris import decode_base64, decode_data_uri, is_data_uri
from e5v.inputs import Image, Side, Text
from e5v.web.errors import SHOWN, Refused, name_type, refuse_item

KINDS = {None, "text", "image", "image_url", "input_text", "input_image"}
CONTENT = {"role", "content", "name"}
PART = {"type", "text", "image", "image_url", "url", "base64", "detail", "uuid", "instruction"}
DEEPEST = 8


@dataclass(frozen=True)
class ImageSource:
    """An image as the client named it."""

    source: str

    @property
    def url(self) -> str | None:
        """Its URL, if it is named by one."""
        source = self.source.strip()
        return source if source[:8].lower().startswith(("http://", "https://")) else None

    def content(self) -> bytes:
        """Decode a data URI or base64.

        Raises:
            ValueError: it is neither a data URI of an image nor base64.
        """
        if self.source[:SHOWN].lstrip().lower().startswith("data:"):
            return decode_data_uri(self.source)
        try:
            return decode_base64(self.source)
        except ValueError as error:
            raise ValueError(
                f"{error}; expected a data URI, base64 or an http(s) URL "
                "(paths are not opened: send the image itself)"
            ) from None


@dataclass(frozen=True)
class TokenIds:
    """A whole prompt as the model reads it."""

    ids: tuple[int, ...]


ItemPart = Text | ImageSource | Image | TokenIds  # an Image is from our own index, not a client's


@dataclass(frozen=True)
class SystemTurn:
    """A system turn of a chat; becomes `RequestItem.system`."""

    text: str


@dataclass(frozen=True)
class Instruction:
    """What an item is for; becomes `RequestItem.instruction`."""

    text: str


@dataclass(frozen=True)
class RequestItem:
    """One item to embed: its parts in order, at least one; `position` is that in the request.

    `system` is the system turn of chat messages, if there is one. A `literal` item is a whole
    prompt (`e5v.web.literal`): its ids, or its texts and images. `instruction` and `side` are as of
    an `e5v.inputs.Item`.
    """

    position: int
    parts: tuple[ItemPart, ...]
    system: str | None = None
    literal: bool = False
    instruction: str = ""
    side: Side | None = None

    @property
    def image_count(self) -> int:
        """How many images it has."""
        return sum(isinstance(part, ImageSource) for part in self.parts)


def read_items(raw: object, most: int) -> list[RequestItem]:
    """Read `input`: one item, or a list of them.

    Raises:
        Refused: it is empty, too long, or an item is invalid; the message names it.
    """
    raws = raw if isinstance(raw, list) else [raw]
    if raws is raw and are_token_ids(raws):
        raws = [raws]  # OpenAI's format for the token ids of one item
    if not raws:
        raise Refused(422, "fields", "input is empty; expected at least one item")
    if len(raws) > most:
        raise Refused(422, "items", f"input has {len(raws)} items; the limit is {most}")
    return [read_item(one, position) for position, one in enumerate(raws)]


def read_item(raw: object, position: int = 0) -> RequestItem:
    """Read one item.

    Raises:
        Refused: it is invalid.
    """
    try:
        read = tuple(_read_parts(raw, DEEPEST))
    except ValueError as error:
        raise refuse_item(position, str(error)) from None
    turns = [part.text for part in read if isinstance(part, SystemTurn)]
    told = [part.text for part in read if isinstance(part, Instruction)]
    parts = tuple(part for part in read if not isinstance(part, SystemTurn | Instruction))
    if not parts:
        expected = "a user turn besides the system turn" if turns else "a text or an image"
        raise refuse_item(position, f"is empty; expected {expected}")
    if any(isinstance(part, SystemTurn) for part in read[len(turns) :]):
        raise refuse_item(position, "has a system turn after another turn; put it first")
    system = "\n".join(turns) if turns else None
    return RequestItem(position, parts, system, instruction="\n".join(told))


def _read_parts(raw: object, depth: int) -> Iterator[ItemPart | SystemTurn | Instruction]:
    if not depth:
        raise ValueError("is nested too deeply; give a flat list of parts")
    if isinstance(raw, (Text, Image)):  # of our own index
        yield raw
    elif isinstance(raw, str):
        yield _read_text(raw)
    elif isinstance(raw, Mapping) and ("content" in raw or raw.get("role") == "assistant"):
        yield from _read_message(raw, depth)
    elif isinstance(raw, Mapping):
        yield from _read_object(raw)
    elif isinstance(raw, list) and are_token_ids(raw):
        raise ValueError(
            "is token ids, which this model would read as another text; send the text itself "
            "(in LangChain: check_embedding_ctx_length=False)"
        )
    elif isinstance(raw, list):
        for inner in raw:
            yield from _read_parts(inner, depth - 1)
    else:
        raise ValueError(f'is {name_type(raw)}; expected a string or {{"text": ..., "image": ...}}')


def are_token_ids(raws: list[object]) -> bool:
    """Return whether a list is the token ids of one item."""
    return bool(raws) and all(type(one) is int for one in raws)


def _read_message(
    raw: Mapping[str, object], depth: int
) -> Iterator[ItemPart | SystemTurn | Instruction]:
    """Read one message of a chat by its role; an empty assistant turn is skipped."""
    _check_keys(raw, CONTENT)
    role, content = raw.get("role") or "user", raw.get("content")
    if role == "user":
        yield from () if content is None else _read_parts(content, depth - 1)
    elif role in ("system", "developer"):
        yield from (SystemTurn(text) for text in _read_turn(content, role))
    elif role != "assistant":
        raise ValueError(
            f'has the role {str(role)[:SHOWN]!a}; expected "system", "user" or "assistant"'
        )
    elif any(text.strip() for text in _read_turn(content, role)):
        raise ValueError(
            "has an assistant turn with text; send only the user turn to embed, and a system "
            "turn before it if needed"
        )


def _read_turn(content: object, role: str) -> list[str]:
    """Return the text of a turn in a list, which is empty if the turn is."""
    pieces = [content] if isinstance(content, (str, Mapping)) else content or []
    article = "an" if role == "assistant" else "a"
    texts = []
    for piece in pieces if isinstance(pieces, list) else [pieces]:
        text = piece.get("text") if isinstance(piece, Mapping) else piece
        if not isinstance(text, str):
            raise ValueError(f"has {article} {role} turn that is not only text; expected a text")  # noqa: TRY004
        texts.append(text)
    return ["".join(texts)] if texts else []


def _read_object(raw: Mapping[str, object]) -> Iterator[ItemPart | Instruction]:
    """Read an object; an image comes before its text, whatever the order of its keys."""
    _check_keys(raw, PART)
    kind = raw.get("type")
    if not (kind is None or isinstance(kind, str)) or kind not in KINDS:
        raise ValueError(f"has a part of type {str(kind)[:SHOWN]!a}; expected text or image_url")
    for key in ("image", "image_url", "url", "base64"):
        if raw.get(key) is not None:
            yield read_picture(raw[key], key)
    if raw.get("text") is not None:
        yield _read_text(raw["text"])
    if raw.get("instruction") is not None:
        yield Instruction(_read_text(raw["instruction"]).text)


def _check_keys(raw: Mapping[str, object], known: set[str]) -> None:
    for key in raw:
        if key not in known:
            raise ValueError(f'has the key {key[:SHOWN]!a}; expected "text", "image" or "content"')


def _read_text(raw: object) -> Text:
    if not isinstance(raw, str):
        raise ValueError(f"has a text that is {name_type(raw)}; expected a string")  # noqa: TRY004  see read_item
    if not raw.strip():
        raise ValueError("has an empty text; give some text or leave it out")
    if is_data_uri(raw):
        raise ValueError('is a data URI, but a string is read as text; send {"image": "data:..."}')
    return Text(raw)


def read_picture(raw: object, key: str) -> ImageSource:
    """Read an image: a string, or an object with its URL.

    Raises:
        ValueError: it is neither; names the key.
    """
    if isinstance(raw, Mapping):  # {"image_url": {"url": ..., "detail": ...}}
        raw = raw.get("url")
    if not isinstance(raw, str) or not raw:
        raise ValueError(
            f'has "{key}" that is {name_type(raw)}; expected a data URI, base64 or URL'
        )
    return ImageSource(raw)
