"""The shapes of replies, for `/docs` and OpenAPI only: replies.py writes them without pydantic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel, Field

from e5v.web.refusals import Reason

Floats = list[list[float]]
Integers = list[list[int]]


class Usage(BaseModel):
    """How much was embedded."""

    prompt_tokens: int = Field(description="Tokens of all items with their prompts.")
    total_tokens: int = Field(description="The same number.")


class Embedding(BaseModel):
    """The vector of one item."""

    object: Literal["embedding"] = Field(description="Always this.")
    index: int = Field(description="The item's position in the request, from 0.")
    embedding: list[float] | str = Field(
        description="Its vector of length 1: numbers, or base64 of float32."
    )
    truncated: bool | None = Field(
        None, description="True if part of the text did not fit; else left out."
    )


class EmbeddingsReply(BaseModel):
    """The vectors of a request, in the order of its items."""

    object: Literal["list"] = Field(description="Always this.")
    data: list[Embedding] = Field(description="One entry for each item.")
    model: str = Field(description="The model that made the vectors.")
    usage: Usage = Field(description="Counts of tokens.")


class CohereVectors(BaseModel):
    """Vectors by type: those that embedding_types asked for, each a list in the items' order."""

    float: Floats | None = Field(None, description="Numbers, of length 1.")
    int8: Integers | None = Field(None, description="Numbers from -128 to 127.")
    uint8: Integers | None = Field(None, description="Numbers from 0 to 255.")
    binary: Integers | None = Field(None, description="Signs, eight in a signed byte.")
    ubinary: Integers | None = Field(None, description="Signs, eight in an unsigned byte.")
    base64: list[str] | None = Field(None, description="Base64 of little-endian float32.")


class CohereReply(BaseModel):
    """The vectors of a request in Cohere's form."""

    id: str = Field(description="A new one for each reply.")
    response_type: Literal["embeddings_by_type"] = Field(description="Always this.")
    embeddings: CohereVectors = Field(description="The vectors, by type.")
    texts: list[str] = Field(description="The texts of the request.")
    meta: dict[str, Any] = Field(
        description="The version of the interface; billed_units has counts of tokens and images."
    )


class Model(BaseModel):
    """A model that is served."""

    id: str = Field(description="Its name.")
    object: Literal["model"] = Field(description="Always this.")
    created: int = Field(description="Always 0.")
    owned_by: str = Field(description="Always e5v.")
    dimensions: int = Field(description="How many values a vector has.")
    max_tokens: int = Field(description="The most tokens that an item may have, with its prompt.")


class Models(BaseModel):
    """The models that are served: there is one."""

    object: Literal["list"] = Field(description="Always this.")
    data: list[Model] = Field(description="The model.")


class EntryReply(BaseModel):
    """An entry of the index."""

    id: str = Field(description="Its id, for like and for the links below.")
    path: str = Field(description="The file that it is from.")
    kind: Literal["image", "text"] = Field(description="What it is.")
    text: str = Field(description="Its text, or the beginning of a long one.")
    part: int = Field(description="Which part of the file it is, such as a line; 0 for all of it.")
    width: int = Field(description="Of an image, in pixels.")
    height: int = Field(description="Of an image, in pixels.")
    thumbnail: str | None = Field(description="Where its small image is; null for a text.")
    item: str = Field(description="Where its image or text is.")


class EntriesReply(BaseModel):
    """Entries of the index."""

    entries: list[EntryReply] = Field(description="The newest entries, the newest first.")


class ExamplesReply(BaseModel):
    """Queries to start with."""

    queries: list[str] = Field(description="At most three queries that find something.")


class Hit(EntryReply):
    """An entry of the index that was found."""

    score: float = Field(description="Cosine similarity to the query, -1 to 1.")


class Word(BaseModel):
    """A word that the query's vector stands for."""

    word: str = Field(description="The word.")
    share: float = Field(description="Its probability as the model's next word, 0 to 1.")


class SearchReply(BaseModel):
    """What a search found."""

    hits: list[Hit] = Field(description="The nearest entries, the nearest first.")
    words: list[Word] = Field(description="The likeliest words for the query, the likeliest first.")
    took_ms: float = Field(description="Milliseconds that the search took.")


class IndexReply(BaseModel):
    """What is indexed."""

    items: int = Field(description="How many entries the index has.")
    kinds: dict[str, int] = Field(description="How many of them are images, and texts.")
    model: str = Field(description="The model that is served.")
    notice: str | None = Field(None, description="A remark about the model, if there is one.")
    command: str = Field(description="The shell command that adds a folder to this index.")


class Point(BaseModel):
    """An entry's place on the map."""

    id: str = Field(description="The entry's id.")
    x: float = Field(description="From the left, 0 to 1.")
    y: float = Field(description="From the top, 0 to 1.")
    kind: Literal["image", "text"] = Field(description="What it is.")
    text: str = Field(description="Its text, or the beginning of a long one.")
    thumbnail: str | None = Field(description="Where its small image is; null for a text.")


class MapReply(BaseModel):
    """The index in a plane: similar entries are close to each other."""

    points: list[Point] = Field(description="At most 2,000 entries.")


class Error(BaseModel):
    """Why a request was refused."""

    message: str = Field(description="One line: what is wrong, and what to do.")
    type: str = Field(description="The kind of error, as OpenAI names it.")
    param: None = Field(description="Always null.")
    code: Reason = Field(description="The reason, also counted in /metrics.")
    index: int | None = Field(
        None, description="The position of the item at fault, if it is the fault of one item."
    )


class ErrorReply(BaseModel):
    """A refusal, in OpenAI's form."""

    error: Error = Field(description="What is wrong.")


ERRORS = {
    400: "The body is not JSON in UTF-8, or has a field twice",
    401: "The key is missing or wrong",
    403: "The Host header has another name, or a page of another site asks",
    404: "There is no index, entry or model of that name",
    408: "The request took too long to arrive",
    409: "The index was made by another model, or a file has changed since",
    413: "The body or its number of tokens is too large",
    415: "The body is compressed, or not said to be JSON",
    422: "A field or an item cannot be used",
    429: "Too much is waiting; Retry-After says in how many seconds to try again",
    500: "The server failed",
    503: "The server is not ready, or its index cannot be read",
}
ALWAYS = (401, 403, 500)
POSTED = (400, 408, 413, 415, 422, 429)


def documented(
    description: str,
    reply: type[BaseModel] | str,
    *errors: int,
    always: Iterable[int] = ALWAYS,
) -> dict[int | str, dict[str, Any]]:
    """Return a route's `responses`: its reply, a model or media types, and its errors."""
    of_errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorReply, "description": ERRORS[status]}
        for status in sorted({*always, *errors})
    }
    if isinstance(reply, str):
        content = {kind: {"schema": {"type": "string"}} for kind in reply.split()}
        return {200: {"description": description, "content": content}, **of_errors}
    return {200: {"description": description, "model": reply}, **of_errors}


def without_unsent(openapi: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI description without the errors that FastAPI adds to it and never sends."""
    for operations in openapi["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("422", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            if schema.get("$ref", "").endswith("/HTTPValidationError"):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        openapi["components"]["schemas"].pop(name, None)
    return openapi


class PlainResponse(Response):
    """A response whose media type is in what `documented` returns, and not JSON."""

    media_type = None
