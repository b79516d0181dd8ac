"""Schemas of requests: OpenAI's with extensions of Jina, SGLang and vLLM; Cohere's; searches.

JSON -> pydantic -> EmbeddingsRequest | CohereRequest | SearchRequest -> RequestItem items

An unknown field is refused, because it might be meant to change the vectors; fields of other
servers' clients that change no vector are accepted and ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from e5v.web.errors import SHOWN, Refused, format_value
from e5v.web.inputs import RequestItem, read_item, read_items
from e5v.web.purposes import INPUT_TYPE, InputType, mark_items

LONGEST_PROMPT = 2_000  # characters
LONGEST_FILTER = 1_000
LONGEST_CURSOR = 10_000  # it contains the id of an entry
# Fields that the clients of other servers send, and that change no vector here.
IGNORED = {"user", "task", "request_id", "priority"}
IGNORED |= {"add_generation_prompt", "continue_final_message"}
NEUTRAL = {"normalized": True, "late_chunking": False}  # Jina's: only these values, or null
MEANT = {  # names in other APIs -> our fields to suggest
    "query": ("text",),
    "q": ("text",),
    "texts": ("input", "text"),
    "inputs": ("input",),
    "images": ("input", "image"),
    "image_url": ("image",),
    "size": ("dimensions", "k"),
    "dim": ("dimensions", "output_dimension"),
    "dimensions": ("output_dimension",),
    "output_dimension": ("dimensions",),
    "encoding_format": ("embedding_types",),
    "embedding_types": ("encoding_format",),
    "input": ("texts", "text"),
    "limit": ("k",),
    "top_k": ("k",),
    "n": ("k",),
    "filter": ("where",),
    "negative": ("without",),
    "threshold": ("min_score",),
    "offset": ("after",),
    "cursor": ("after",),
    "next": ("after",),
    "page": ("after",),
    "id": ("like",),
}

PART = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "text": {"type": "string", "description": "The text."},
                "image": {"type": "string", "description": "A data URI, base64 or a URL."},
            },
        },
    ]
}
Input = Annotated[Any, WithJsonSchema({"anyOf": [PART, {"type": "array", "items": PART}]})]
Encoding = Literal["float", "base64"]
CohereType = Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]
Truncate = Literal["NONE", "START", "END"]
TRUNCATE = "Where to cut a text that is too long: START or END; with NONE the request is refused."


def _refuse_boolean(value: object) -> object:
    """Refuse true and false as numbers: pydantic would read 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"is {str(value).lower()}; expected a number")  # noqa: TRY004  for pydantic
    return value


def _convert_boolean(value: object) -> object:
    """Convert Jina's true and false."""
    return {True: "END", False: "NONE"}[value] if isinstance(value, bool) else value


Whole = Annotated[int, BeforeValidator(_refuse_boolean)]
Number = Annotated[float, BeforeValidator(_refuse_boolean), Field(allow_inf_nan=False)]


class Request(BaseModel):
    """Base of all requests: unknown fields are refused, and null counts as absent.

    `ignored` fields are accepted; `neutral` ones only with the value given here.
    """

    model_config = ConfigDict(extra="forbid")
    ignored: ClassVar[frozenset[str]] = frozenset()
    neutral: ClassVar[Mapping[str, object]] = {}

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, sent: object) -> object:
        if not isinstance(sent, dict):
            return sent
        sent = {name: value for name, value in sent.items() if value is not None}
        known = {}
        for name, value in sent.items():
            if name in cls.neutral:
                if value != cls.neutral[name]:
                    taken = format_value(cls.neutral[name])
                    raise ValueError(f"{name} is {format_value(value)}; only {taken} is supported")
            elif name in cls.model_fields:
                known[name] = value
            elif name not in cls.ignored:
                raise ValueError(unknown_field(name, cls.model_fields))
        return known


def unknown_field(name: str, fields: Iterable[str]) -> str:
    """Return the message for an unknown field, with a suggestion."""
    known = list(fields)
    meant = [one for one in MEANT.get(name.lower(), ()) if one in known]
    meant += get_close_matches(name.lower(), known, 1)
    hint = f"did you mean {meant[0]!a}?" if meant else f"expected one of {', '.join(known)}"
    return f"unknown field {name[:SHOWN]!a}; {hint}"


class EmbeddingsRequest(Request):
    """Items to embed, in OpenAI's format with the extensions of other servers."""

    ignored = frozenset(IGNORED)
    neutral = NEUTRAL

    model: str | None = Field(
        None, description="Any name: the server has one model, named in the reply."
    )
    input: Input = Field(
        None,
        description='What to embed: a text, {"text": ..., "image": ...} with one of the two or '
        "both, or a list of these. Token ids only if they are the model's own: whole prompts, with "
        "add_special_tokens false.",
    )
    messages: list[dict[str, object]] | None = Field(
        None, description="Instead of input: one item as chat messages, with image_url parts."
    )
    dimensions: Whole | None = Field(
        None, ge=1, description="Keep the first values of each vector, scaled to length 1."
    )
    encoding_format: Encoding = Field(
        "float", description="Format of a vector; base64 is of little-endian float32."
    )
    prompt: str = Field(
        "retrieval",
        max_length=LONGEST_PROMPT,
        description="The name of a prompt, or a template with <text> and <image>.",
    )
    instruction: str | None = Field(
        None,
        max_length=LONGEST_PROMPT,
        description="What the items are for, for models that take one; an item may have its own.",
    )
    input_type: InputType | None = Field(None, description=INPUT_TYPE)
    truncate: Annotated[Truncate, BeforeValidator(_convert_boolean)] = Field(
        "END", description=f"{TRUNCATE} true means END, and false NONE."
    )

    add_special_tokens: bool | None = Field(
        None, description="false with token ids as input: they are whole prompts."
    )
    chat_template: str | None = Field(
        None,
        description="Only the template that writes the parts of messages as they are: they are a "
        "whole prompt, as another e5v serve sends it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _rename_field(cls, sent: object) -> object:
        """Accept Jina's name of encoding_format."""
        if not isinstance(sent, dict) or "embedding_type" not in sent:
            return sent
        renamed = {"encoding_format": sent["embedding_type"]}
        return renamed | {name: sent[name] for name in sent if name != "embedding_type"}

    def items(self, most: int) -> list[RequestItem]:
        """Return the items to embed, at most `most`.

        Raises:
            Refused: there are none or too many, or one is invalid.
        """
        if (self.input is None) == (self.messages is None):
            raise Refused(422, "fields", "expected either input or messages")
        if self.messages is None:
            return mark_items(read_items(self.input, most), self.input_type, self.instruction)
        if not self.messages:
            raise Refused(422, "fields", "messages is empty; expected at least one message")
        return mark_items([read_item(self.messages)], self.input_type, self.instruction)


class CohereContent(Request):
    """One of Cohere's inputs: texts and images in order."""

    content: list[dict[str, object]] = Field(
        description='Parts: {"type": "text", "text": ...} or {"type": "image_url", "image_url": '
        '{"url": a data URI}}.'
    )


class CohereRequest(Request):
    """Items to embed, in Cohere's format: one of texts, images and inputs."""

    model: str | None = Field(
        None, description="Any name: the server has one model, listed at /v1/models."
    )
    input_type: InputType | None = Field(None, description=INPUT_TYPE)
    texts: list[str] | None = Field(None, description="Texts to embed.")
    images: list[str] | None = Field(None, description="Images to embed, as data URIs or base64.")
    inputs: list[CohereContent] | None = Field(
        None, description="Items of texts and images together."
    )
    embedding_types: list[CohereType] = Field(
        default=["float"],
        min_length=1,
        description="Types of vectors; the reply has each of them.",
    )
    output_dimension: Whole | None = Field(
        None, ge=1, description="Keep the first values of each vector, scaled to length 1."
    )
    max_tokens: Whole | None = Field(
        None, ge=1, description="Truncate texts to this many tokens; by default to what fits."
    )
    truncate: Truncate = Field("END", description=TRUNCATE)
    priority: Whole = Field(
        0, ge=0, le=999, description="Ignored: all requests have the same priority."
    )

    def items(self, most: int) -> list[RequestItem]:
        """Return the items to embed, at most `most`.

        Raises:
            Refused: there are none or too many, or one is invalid.
        """
        given = [one for one in (self.texts, self.images, self.inputs) if one is not None]
        if len(given) != 1:
            raise Refused(422, "fields", "expected one of texts, images and inputs")
        raws = [_unwrap_content(one) for one in given[0]]
        if self.images is not None:
            raws = [{"image": image} for image in self.images]
        return mark_items(read_items(raws, most), self.input_type)


def _unwrap_content(one: object) -> object:
    return {"content": one.content} if isinstance(one, CohereContent) else one


class SearchRequest(Request):
    """A search by words, an image, both ("like this, but ..."), or an entry of the index."""

    text: str | None = Field(
        None, description="Words to search for; with image or like: what should be different."
    )
    image: str | None = Field(
        None, description="An image to search with: a data URI, base64, or a URL if allowed."
    )
    without: str | None = Field(None, description="Words for what to avoid.")
    like: str | None = Field(None, description="The id of an entry to search with.")
    k: Whole = Field(24, ge=1, description="How many entries to return, the nearest first.")
    after: str | None = Field(
        None,
        max_length=LONGEST_CURSOR,
        description="The next of the previous reply, for the hits that follow, 10,000 in all.",
    )
    min_score: Number | None = Field(
        None, description="Return only entries with at least this cosine similarity, -1 to 1."
    )
    where: str | None = Field(
        None,
        max_length=LONGEST_FILTER,
        examples=["kind = 'image'"],
        description="A filter on the fields of entries in SQL, such as kind = 'image'.",
    )

    @model_validator(mode="after")
    def _check_query(self) -> Self:
        for name in ("text", "image", "without", "like", "where"):
            if not (getattr(self, name) or "").strip():
                setattr(self, name, None)
        if not (self.text or self.image or self.like):
            raise ValueError("nothing to search for; give text, image or like")
        if self.image and self.like:
            raise ValueError("got both image and like; give one of them")
        return self
