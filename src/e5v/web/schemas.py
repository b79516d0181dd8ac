"""The request shapes that are taken: OpenAI's, Jina's, SGLang's and vLLM's in one, and Cohere's.

JSON -> pydantic -> EmbeddingsRequest | CohereRequest | SearchRequest -> Wanted items

A field that would change the vectors and is not known is refused, not overlooked.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from e5v.web.parts import Wanted, read_item, read_items
from e5v.web.refusals import Refused

LONGEST_PROMPT = 2_000  # characters
LONGEST_FILTER = 1_000
# What other servers' clients send beside; it says how theirs make a vector, or nothing about it.
OVERLOOKED = {"user", "task", "request_id", "priority", "input_type", "normalized", "truncate"}
OVERLOOKED |= {"add_special_tokens", "add_generation_prompt", "continue_final_message"}

PART = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"text": {"type": "string"}, "image": {"type": "string"}}},
    ]
}
Input = Annotated[Any, WithJsonSchema({"anyOf": [PART, {"type": "array", "items": PART}]})]
Encoding = Literal["float", "base64"]
CohereType = Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]


class Request(BaseModel):
    """What all requests share: no field that is not known."""

    model_config = ConfigDict(extra="forbid")


class EmbeddingsRequest(Request):
    """Items to embed, in OpenAI's form and what others made of it."""

    model: str | None = Field(None, description="Any; the reply says which model it was.")
    input: Input = Field(None, description="A text, {text, image}, or a list of these.")
    messages: list[dict[str, Any]] | None = Field(None, description="One item, as a chat.")
    dimensions: int | None = Field(None, ge=1, description="Keep so many values; renormalised.")
    encoding_format: Encoding = Field("float", description="base64 is of float32.")
    prompt: str = Field("retrieval", max_length=LONGEST_PROMPT, description="Name or wording.")

    @model_validator(mode="before")
    @classmethod
    def _overlook(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        if sent.get("normalized") is False:
            raise ValueError("normalized is false; vectors are always of length 1")
        kept = {key: value for key, value in sent.items() if key not in OVERLOOKED}
        return {key: value for key, value in kept.items() if value is not None}

    def items(self, most: int) -> list[Wanted]:
        """Return what is to be embedded, at most so many items.

        Raises:
            Refused: there is nothing, too much, or an item that cannot be understood.
        """
        if (self.input is None) == (self.messages is None):
            raise Refused(422, "fields", "expected either input or messages")
        return [read_item(self.messages)] if self.messages else read_items(self.input, most)


class CohereContent(Request):
    """One of Cohere's inputs: texts and images in order."""

    content: list[dict[str, Any]]


class CohereRequest(Request):
    """Items to embed, in Cohere's form."""

    model: str | None = None
    input_type: str | None = Field(None, description="Any: one prompt serves query and document.")
    texts: list[str] | None = None
    images: list[str] | None = Field(None, description="Data URIs.")
    inputs: list[CohereContent] | None = None
    embedding_types: list[CohereType] = Field(default=["float"], min_length=1)
    output_dimension: int | None = Field(None, ge=1)
    truncate: Literal["NONE", "END"] = "END"

    def items(self, most: int) -> list[Wanted]:
        """Return what is to be embedded, at most so many items.

        Raises:
            Refused: there is nothing, too much, or an item that cannot be understood.
        """
        given = [one for one in (self.texts, self.images, self.inputs) if one is not None]
        if len(given) != 1:
            raise Refused(422, "fields", "expected one of texts, images and inputs")
        if self.images is not None:
            return read_items([{"image": image} for image in self.images], most)
        return read_items([_plain(one) for one in given[0]], most)


def _plain(one: Any) -> Any:
    return {"content": one.content} if isinstance(one, CohereContent) else one


class SearchRequest(Request):
    """A search: words, an image, both ("like this, but ..."), or like an entry of the index."""

    text: str | None = None
    image: str | None = Field(None, description="A data URI, or base64.")
    without: str | None = Field(None, description="Words for what is not wanted.")
    like: str | None = Field(None, description="The id of an entry.")
    k: int = Field(24, ge=1)
    min_score: float | None = None
    where: str | None = Field(None, max_length=LONGEST_FILTER, examples=["kind = 'image'"])

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("text", "image", "without", "like", "where"):
            if not (getattr(self, name) or "").strip():
                setattr(self, name, None)
        if not (self.text or self.image or self.like):
            raise ValueError("nothing to search for; give text, image or like")
        if self.image and self.like:
            raise ValueError("image and like are both examples; give one of them")
        return self

    def example(self) -> Wanted | None:
        """Return the words and the image as one item; None if there are none."""
        sent = {"text": self.text, "image": self.image}
        return read_item(sent) if self.text or self.image else None

    def unwanted(self) -> Wanted | None:
        """Return what is not wanted as an item."""
        return read_item(self.without, 1) if self.without else None
