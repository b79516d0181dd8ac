"""Literal prompts: exactly what the model reads, for a server that embeds in another's place.

prompt without images -> its token ids
prompt with images    -> text with special tokens, and files of images -> a message, and a template
                         that writes its parts as they are

The side that sends has the model's tokenizer and image processor; it sends a prompt with images
only if its text, read by a tokenizer, gives the very ids that were meant.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from e5v.errors import ItemError
from e5v.inputs import Image, Item, Text
from e5v.model.encoder import Prompted
from e5v.model.image_files import UnreadableError, open_image, orientation, read_bytes
from e5v.model.image_inputs import Pixels
from e5v.model.images import decode
from e5v.model.loading import Loaded
from e5v.model.processors import ImageProcessor
from e5v.model.prompts import Segment
from e5v.model.tokens import PromptTokenizer, Tokens

LiteralPart: TypeAlias = str | bytes  # of the prompt, or the file of an image


def literal_template(image_token: str) -> str:
    """Return the chat template that writes the parts of every message as they are."""
    image = json.dumps(image_token)
    return (
        "{% for message in messages %}{% for part in message['content'] %}"
        "{{ part['text'] if part['type'] == 'text' else " + image + " }}"
        "{% endfor %}{% endfor %}"
    )


@dataclass(frozen=True)
class LiteralWriter:
    """Adds to the model's input for an item what an engine needs to make the same of it."""

    tokenizer: PromptTokenizer

    def write(
        self, item: Item, pieces: Sequence[Segment], tokens: Tokens, prompted: Prompted
    ) -> Prompted:
        """Return the input with its literal prompt, if it has images, and without their pixels.

        Raises:
            UnreadableError: a text has a special token, which an engine would not read as text.
        """
        if not prompted.images:
            return prompted
        parts = _join_parts(pieces, tokens.texts, item.images)
        expansions = iter([image.expansion for image in prompted.images])
        string = "".join(part if isinstance(part, str) else next(expansions) for part in parts)
        for first in ("", self.tokenizer.bos):
            if self.tokenizer.encode_literal(first + string) == prompted.ids:
                bare = tuple(replace(image, arrays={}) for image in prompted.images)
                literal = (first, *parts) if first else parts
                return replace(prompted, images=bare, literal=literal)
        raise UnreadableError(
            "its text has a special token of the model, which an engine does not read as text "
            "beside an image; remove it"
        )


def _join_parts(
    pieces: Sequence[Segment], texts: Sequence[str], images: Sequence[Image]
) -> tuple[LiteralPart, ...]:
    """Return the parts of a prompt, texts that follow each other joined."""
    parts: list[LiteralPart] = []
    next_text, next_image = iter(texts), iter(images)
    for piece in pieces:
        if isinstance(piece, Image):
            parts.append(write_image(next(next_image)))
            continue
        string = next(next_text) if isinstance(piece, Text) else piece
        if parts and isinstance(parts[-1], str):
            parts[-1] += string
        elif string:
            parts.append(string)
    return tuple(parts)


def write_image(image: Image) -> bytes:
    """Return a file that any decoder reads as `decode` does: a plain JPEG as it is, else a PNG."""
    source = read_bytes(image).source
    if isinstance(source, bytes) and _is_plain(source):
        return source
    file = io.BytesIO()
    decode(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _is_plain(content: bytes) -> bool:
    picture = open_image(content)
    return picture.format == "JPEG" and picture.mode == "RGB" and orientation(picture) == 1


@dataclass(frozen=True)
class LiteralReader:
    """Makes the model's input of literal prompts, which nothing is added to or cut from."""

    tokenizer: PromptTokenizer
    process: ImageProcessor
    image_token: str  # of which an image's expansion has one for each of its positions
    image_token_id: int
    vocabulary: int

    @classmethod
    def of(cls, loaded: Loaded, max_tokens: int) -> "LiteralReader":
        """Return the reader of a model."""
        tokenizer = loaded.processor.tokenizer
        token: str = tokenizer.convert_ids_to_tokens(loaded.image_token_id)
        return cls(
            PromptTokenizer(tokenizer, max_tokens),
            ImageProcessor.of(loaded),
            token,
            loaded.image_token_id,
            len(tokenizer),
        )

    def read(self, parts: Sequence[int] | Sequence[str | Image], position: int = 0) -> Prompted:
        """Return the input for the ids of a prompt, or for its text and images in order.

        Raises:
            ItemError: it is empty or too long, an id is unknown or stands for an image, or an image
                cannot be read.
        """
        try:
            ids = [one for one in parts if isinstance(one, int)]
            prompted = Prompted(ids) if ids else self._read_message(parts)
            self._check(prompted)
        except UnreadableError as error:
            raise ItemError(position, str(error)) from error
        return prompted

    def _read_message(self, parts: Sequence[int] | Sequence[str | Image]) -> Prompted:
        images = [part for part in parts if isinstance(part, Image)]
        pixels = tuple(self.process(decode(image)) for image in images)
        expansions = iter([one.expansion for one in pixels])
        string = "".join(part if isinstance(part, str) else next(expansions) for part in parts)
        ids = self.tokenizer.encode_literal(string)
        return Prompted(ids, pixels, tuple(self._count(one) for one in pixels))

    def _count(self, pixels: Pixels) -> int:
        return pixels.expansion.count(self.image_token)

    def _check(self, prompted: Prompted) -> None:
        ids, most = prompted.ids, self.tokenizer.max_tokens
        if not ids:
            raise UnreadableError("its prompt is empty; expected at least one token")
        if len(ids) > most:
            raise UnreadableError(f"its prompt has {len(ids)} tokens; the model takes {most}")
        if not 0 <= min(ids) <= max(ids) < self.vocabulary:
            raise UnreadableError(f"has an id outside 0 to {self.vocabulary - 1}")
        if ids.count(self.image_token_id) != sum(prompted.counts):
            raise UnreadableError("has tokens for images other than those of its images")
