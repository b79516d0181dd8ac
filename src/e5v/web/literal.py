"""Literal prompts in requests: what another e5v sends to an engine (`e5v.model.literal`).

input of token ids, add_special_tokens false -> the prompt as ids
messages, chat_template that writes them as they are -> the prompt as text and images

Token ids alone are refused: OpenAI's clients send those of another vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from e5v.inputs import Text
from e5v.model.literal import literal_template
from e5v.web.errors import Refused, refuse_item
from e5v.web.inputs import ImageSource, RequestItem, TokenIds, are_token_ids, read_picture
from e5v.web.schemas import EmbeddingsRequest

if TYPE_CHECKING:
    from e5v.model.embedder import E5V

USER = {"role", "content"}


def read_literal(asked: EmbeddingsRequest, model: E5V, most: int) -> list[RequestItem] | None:
    """Read the literal prompts of a request, at most `most`; None if it has items.

    Raises:
        Refused: the template is another, or a prompt is invalid.
    """
    if asked.chat_template is not None:
        return [_read_message(asked, model)]
    raw = asked.input
    if asked.add_special_tokens is not False or not isinstance(raw, list) or not raw:
        return None
    prompts = [raw] if are_token_ids(raw) else raw
    if not all(isinstance(one, list) and are_token_ids(one) for one in prompts):
        return None
    if len(prompts) > most:
        raise Refused(422, "items", f"input has {len(prompts)} items; the limit is {most}")
    return [
        RequestItem(place, (TokenIds(tuple(ids)),), literal=True)
        for place, ids in enumerate(prompts)
    ]


def _read_message(asked: EmbeddingsRequest, model: E5V) -> RequestItem:
    if asked.chat_template != literal_template(model.renderer.image_token):
        raise Refused(
            422,
            "fields",
            "chat_template is another than the one that writes the parts of messages as they are; "
            "leave it out: the model's own is used",
        )
    if model.loaded.engine_digest:
        message = "chat_template: this server has an engine itself; send literal prompts to that"
        raise Refused(422, "fields", message)
    messages = asked.messages or []
    if len(messages) != 1 or asked.input is not None or asked.add_special_tokens:
        message = "with chat_template, expected messages with one message, and no special tokens"
        raise Refused(422, "fields", message)
    try:
        return RequestItem(0, tuple(_read_parts(messages[0])), literal=True)
    except ValueError as error:
        raise refuse_item(0, str(error)) from None


def _read_parts(message: dict[str, object]) -> Iterator[Text | ImageSource]:
    content = message.get("content")
    if message.keys() != USER or not isinstance(content, list) or not content:
        raise ValueError("is not a message with a list of parts as its content")
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            yield Text(part["text"])
        elif kind == "image_url":
            yield read_picture(part.get("image_url"), "image_url")
        else:
            raise ValueError("has a part that is neither a text nor an image_url")
