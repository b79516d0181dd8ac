"""Render a request as the prompt a model expects, with the user's parts kept separate.

    FilledPrompt -> the paper's turn, or the model's chat template -> pieces: str | Text | Image

String pieces are from the template and may contain special tokens; Text and Image stay objects
until `tokens` inserts them, so that special tokens in a user's text have no effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from e5v.errors import ModelError, PromptError
from e5v.inputs import Image, Text
from e5v.model.prompts import FilledPrompt, Segment, Turn

_PLACEHOLDER = re.compile("(\ue000[0-9]+\ue001)")  # for a user's text in the chat template
_TODAY = re.compile(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""")
DAY = date(2024, 7, 17)  # of the paper: a vector must not depend on today's date
CACHED = 1_024  # rendered prompts in the cache; a server may get a new prompt in each request


def chat_template(processor: Any) -> str | None:
    """Return the chat template of a processor or its tokenizer, if there is one."""
    template = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template
    return template.get("default") if isinstance(template, dict) else template


class Renderer:
    """Renders requests for one model; with `turn` None, by its own chat template."""

    def __init__(self, processor: Any, turn: Turn | None) -> None:
        self.turn = turn
        self.image_token: str = processor.image_token
        template = chat_template(processor)
        self.template = template and _TODAY.sub(lambda m: repr(DAY.strftime(m[2])), template)
        self._tokenizer = processor.tokenizer
        self._skeletons: dict[tuple[bool | str | type, ...], tuple[str, ...]] = {}

    def render(self, request: FilledPrompt) -> tuple[Segment, ...]:
        """Return the whole prompt in pieces, with the user's parts in their positions.

        Raises:
            ModelError: the chat template fails, or loses one of the parts.
            PromptError: the request has a system turn, which the model's prompt does not support.
        """
        if self.turn is not None:
            if request.system and request.system.strip():
                raise PromptError(
                    f"the item has a system turn, which this model's {self.turn.name} prompt does "
                    "not support: remove it, or put its text into the user turn"
                )
            return tuple(self.turn.wrap(request))
        shape = (
            request.system is not None,
            *(part if isinstance(part, str) else type(part) for part in request.segments),
        )
        skeleton = self._skeletons.get(shape)
        if skeleton is None:
            if len(self._skeletons) >= CACHED:
                self._skeletons.clear()
            skeleton = self._skeletons[shape] = self._skeleton(request)
        return tuple(_fill_placeholders(skeleton, request, self.image_token))

    def _skeleton(self, request: FilledPrompt) -> tuple[str, ...]:
        """Render the chat template with a placeholder for each of the user's texts."""
        user = {"role": "user", "content": _content(request)}
        if request.system is None:
            return self._apply_template([user], request)
        # Some templates take the content of a system turn as parts, others as a string.
        placeholder = _placeholder(len(request.segments))
        for content in ([{"type": "text", "text": placeholder}], placeholder):
            try:
                pieces = self._apply_template(
                    [{"role": "system", "content": content}, user], request
                )
            except ModelError:
                continue
            before = pieces[: pieces.index(placeholder)]
            if not (before and before[-1].endswith(("'", '"'))):  # else a list printed as a string
                return pieces
        # Raises if the user turn fails too.
        self._apply_template([user], replace(request, system=None))
        raise PromptError(
            "the item has a system turn, which the model's chat template does not support: remove "
            "it, or put its text into the user turn"
        )

    def _apply_template(
        self, messages: list[dict[str, Any]], request: FilledPrompt
    ) -> tuple[str, ...]:
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                messages, chat_template=self.template, add_generation_prompt=True, tokenize=False
            )
        except Exception as error:
            raise ModelError(f"the model's chat template failed: {error}") from error
        marks = re.compile(f"{_PLACEHOLDER.pattern}|({re.escape(self.image_token)})")
        pieces = tuple(piece for piece in marks.split(rendered) if piece)
        wanted = sum(not isinstance(segment, str) for segment in request.segments)
        wanted += request.system is not None
        found = sum(bool(marks.fullmatch(piece)) for piece in pieces)
        if found != wanted:
            raise ModelError(
                f"the model's chat template kept {found} of {wanted} parts of the request; "
                "expected all: it may not support images"
            )
        return pieces


def literal_prompt(pieces: Iterable[Segment], image_token: str) -> str:
    """Return a rendered prompt as one string, with the image token in the place of each image.

    Only for texts without special tokens: in a string, they are read as such.
    """
    return "".join(
        piece if isinstance(piece, str) else piece.text if isinstance(piece, Text) else image_token
        for piece in pieces
    )


def _content(request: FilledPrompt) -> list[dict[str, str]]:
    content: list[dict[str, str]] = []
    for place, segment in enumerate(request.segments):
        if isinstance(segment, Image):
            content.append({"type": "image"})
            continue
        words = segment if isinstance(segment, str) else _placeholder(place)
        if content and content[-1]["type"] == "text":
            content[-1]["text"] += words
        else:
            content.append({"type": "text", "text": words})
    return content


def _placeholder(place: int) -> str:
    """Return the placeholder of a segment's text; the one after the last is the system turn's."""
    return f"\ue000{place}\ue001"


def _fill_placeholders(
    skeleton: tuple[str, ...], request: FilledPrompt, image_token: str
) -> list[Segment]:
    texts: list[Segment] = [*request.segments, Text(request.system or "")]
    images = iter([segment for segment in request.segments if isinstance(segment, Image)])
    filled: list[Segment] = []
    for piece in skeleton:
        if _PLACEHOLDER.fullmatch(piece):
            filled.append(texts[int(piece[1:-1])])
        elif piece == image_token:
            filled.append(next(images))
        else:
            filled.append(piece)
    return filled
