"""Schemas of replies, for `/docs` and OpenAPI only: replies.py writes them without pydantic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel, Field

from e5v.web.errors import Reason

Floats = list[list[float]]
Integers = list[list[int]]


class Usage(BaseModel):
    """How much was embedded."""

    prompt_tokens: int = Field(description="Tokens of all items with their prompts.")
    total_tokens: int = Field(description="The same number.")


class Embedding(BaseModel):
    """The vector of one item."""

    object: Literal["embedding"] = Field(description="Always this value.")
    index: int = Field(description="The item's position in the request, from 0.")
    embedding: list[float] | str = Field(
        description="Its vector of length 1: numbers, or base64 of float32."
    )
    truncated: bool | None = Field(
        None, description="True if the text was cut to fit; otherwise absent."
    )


class EmbeddingsReply(BaseModel):
    """The vectors of a request, in the order of its items."""

    object: Literal["list"] = Field(description="Always this value.")
    data: list[Embedding] = Field(description="One entry for each item.")
    model: str = Field(description="The model that made the vectors.")
    usage: Usage = Field(description="Counts of tokens.")


class CohereVectors(BaseModel):
    """Vectors by type, as requested in embedding_types; each a list in the order of the items."""

    float: Floats | None = Field(None, description="Numbers, of length 1.")
    int8: Integers | None = Field(None, description="Numbers from -128 to 127.")
    uint8: Integers | None = Field(None, description="Numbers from 0 to 255.")
    binary: Integers | None = Field(None, description="Sign bits, eight per signed byte.")
    ubinary: Integers | None = Field(None, description="Sign bits, eight per unsigned byte.")
    base64: list[str] | None = Field(None, description="Base64 of little-endian float32.")


class ApiVersion(BaseModel):
    """The version of Cohere's API."""

    version: str = Field(description="Always 2.")


class BilledUnits(BaseModel):
    """How much was embedded."""

    input_tokens: int = Field(description="Tokens of all items with their prompts.")
    images: int = Field(description="The number of images.")


class CohereMeta(BaseModel):
    """About the reply."""

    api_version: ApiVersion = Field(description="The version that the reply follows.")
    billed_units: BilledUnits = Field(description="Counts of tokens and images.")


class CohereReply(BaseModel):
    """The vectors of a request in Cohere's format."""

    id: str = Field(description="A new id for each reply.")
    response_type: Literal["embeddings_by_type"] = Field(description="Always this value.")
    embeddings: CohereVectors = Field(description="The vectors, by type.")
    texts: list[str] = Field(description="The texts of the request.")
    meta: CohereMeta = Field(description="The version of the API, and counts.")


class Model(BaseModel):
    """A model that is served."""

    id: str = Field(description="Its name.")
    object: Literal["model"] = Field(description="Always this value.")
    created: int = Field(description="Always 0.")
    owned_by: str = Field(description="Always e5v.")
    dimensions: int = Field(description="The number of values of a vector.")
    max_tokens: int = Field(description="The most tokens of an item, including its prompt.")


class Models(BaseModel):
    """The models that are served: there is one."""

    object: Literal["list"] = Field(description="Always this value.")
    data: list[Model] = Field(description="The model.")


class EntryReply(BaseModel):
    """An entry of the index."""

    id: str = Field(description="Its id, for like and for the URLs below.")
    path: str = Field(
        description="The path of its file, with a place in it: #page=3, #t=12.5 or #frame=2."
    )
    kind: Literal["image", "text"] = Field(description="The type of the entry.")
    text: str = Field(description="Its text, or the beginning of a long one.")
    part: int = Field(
        description="Its line, passage, page or frame in the file, from 1; 0 for the whole file."
    )
    date: str = Field(description="When its file was changed, in ISO 8601.")
    width: int = Field(description="Width of the image in pixels; 0 for a text.")
    height: int = Field(description="Height of the image in pixels; 0 for a text.")
    thumbnail: str | None = Field(description="The URL of its thumbnail; null for a text.")
    item: str = Field(description="The URL of its image or text.")
    file: str | None = Field(
        description="The URL that opens its document or video at the place; null without a place."
    )
    taken: str | None = Field(description="When a photograph was taken, in local time, if known.")
    camera: str | None = Field(description="The camera, if known.")
    latitude: float | None = Field(description="Degrees to the north, if known.")
    longitude: float | None = Field(description="Degrees to the east, if known.")


class EntriesReply(BaseModel):
    """Entries of the index."""

    entries: list[EntryReply] = Field(description="The newest entries, the newest first.")


class ExamplesReply(BaseModel):
    """Example queries."""

    queries: list[str] = Field(
        description="At most three queries that find something in this index."
    )


class Hit(EntryReply):
    """An entry of the index that was found."""

    score: float = Field(description="Cosine similarity to the query, -1 to 1.")
    match: Literal["strong", "weak", "none"] | None = Field(
        description="How well it matches beside random pairs of the index; null if not known."
    )


class Word(BaseModel):
    """A word predicted for the query."""

    word: str = Field(description="The word.")
    share: float = Field(description="Its probability as the next word, 0 to 1.")


class SearchReply(BaseModel):
    """The result of a search."""

    hits: list[Hit] = Field(
        description="The nearest entries, the nearest first; images and texts by standard score."
    )
    next: str | None = Field(
        description="Sent as after, with the same fields, it asks for the hits that follow; null "
        "if there are none."
    )
    words: list[Word] = Field(description="The words predicted for the query, likeliest first.")
    took_ms: float = Field(description="Milliseconds that the search took.")


class IndexReply(BaseModel):
    """The contents of the index."""

    items: int = Field(description="The number of entries in the index.")
    kinds: dict[str, int] = Field(description="The number of images, and of texts.")
    model: str = Field(description="The model that is served.")
    notice: str | None = Field(None, description="A note about the model, if there is one.")
    command: str = Field(description="The shell command that adds a folder to this index.")


class Point(EntryReply):
    """An entry, and its place on the map."""

    x: float = Field(description="Distance from the left, 0 to 1.")
    y: float = Field(description="Distance from the bottom, 0 to 1.")


class Label(BaseModel):
    """A word for a group of points that lie together on the map."""

    word: str = Field(description="The likeliest word for the mean of their vectors.")
    x: float = Field(description="The middle of the points: distance from the left, 0 to 1.")
    y: float = Field(description="The middle of the points: distance from the bottom, 0 to 1.")
    count: int = Field(description="The number of points.")


class LabelsReply(BaseModel):
    """Labels of the map."""

    labels: list[Label] = Field(description="At most 10 labels, of the largest group first.")


class MapReply(BaseModel):
    """The map of the index: similar entries are close to each other."""

    points: list[Point] = Field(description="At most 2,000 entries.")


class Error(BaseModel):
    """Why a request was refused."""

    message: str = Field(description="One line: what is wrong, and what to do.")
    type: str = Field(description="The kind of error, as OpenAI names it.")
    param: None = Field(description="Always null.")
    code: Reason = Field(description="The reason, also counted in /metrics.")
    index: int | None = Field(
        None, description="The position of the item at fault, if it is one item."
    )


class ErrorReply(BaseModel):
    """A refusal, in OpenAI's format."""

    error: Error = Field(description="What is wrong.")


ERRORS = {
    400: "The body is not JSON in UTF-8, or has a key twice",
    401: "The key is missing or wrong",
    403: "The Host header is not allowed, or a page of another site sent the request",
    404: "There is no index, entry or model of that name",
    408: "The request took too long to arrive",
    409: "The index was made by another model, or a file has changed since",
    413: "The body or its number of tokens is too large",
    415: "The body is compressed, or its Content-Type is not JSON",
    422: "A field or an item is invalid",
    429: "The queue is full; Retry-After says in how many seconds to try again",
    500: "The server failed",
    503: "The server is not ready, or its index cannot be read",
}
ALWAYS = (401, 403, 500)
POSTED = (400, 408, 413, 415, 422, 429)


def describe_replies(
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


def drop_unsent_errors(openapi: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI description without the errors that FastAPI adds but never sends."""
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
    """A response that is not JSON; `describe_replies` describes its media type."""

    media_type = None
