"""`/docs` and OpenAPI: every field is described, every reply has a shape, every error is real."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from e5v.web.reply_schemas import (
    CohereReply,
    EmbeddingsReply,
    ErrorReply,
    IndexReply,
    Model,
    Models,
)
from tests.web.asking import Ask

pytestmark = pytest.mark.anyio

ALWAYS = {"401", "403", "500"}
POSTED = {"400", "408", "413", "415", "422", "429"}
ERRORS = {
    "/v1/embeddings": ALWAYS | POSTED | {"503"},
    "/v2/embed": ALWAYS | POSTED | {"503"},
    "/v1/search": ALWAYS | POSTED | {"404", "409", "503"},
    "/v1/models": ALWAYS | {"503"},
    "/v1/models/{name}": ALWAYS | {"404", "503"},
    "/v1/index": ALWAYS | {"409", "503"},
    "/v1/entries": ALWAYS | {"404", "409", "422", "503"},
    "/v1/entries/{id}": ALWAYS | {"404", "409", "503"},
    "/v1/examples": ALWAYS | {"404", "409", "503"},
    "/v1/labels": ALWAYS | {"404", "409", "503"},
    "/v1/map": ALWAYS | {"404", "409", "503"},
    "/v1/thumbnails/{id}": ALWAYS | {"404", "409", "503"},
    "/v1/items/{id}": ALWAYS | {"404", "409", "503"},
    "/v1/files/{id}": ALWAYS | {"404", "409", "503"},
    "/livez": {"403", "500"},
    "/readyz": {"403", "500", "503"},
    "/metrics": ALWAYS,
}


def fields_of(schema: Any, openapi: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield every field of a shape with its place, those of inner shapes, too."""
    if "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name, field in schema.get("properties", {}).items():
        yield f"{where}.{name}", field
        yield from fields_of(field, openapi, f"{where}.{name}")
    for inner in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from fields_of(inner, openapi, where)


async def test_every_field_is_described(ask: Ask) -> None:
    """Catches a field without a meaning, a reply `{}`, and an error that is never sent."""
    async with ask() as asker:
        openapi = asker.app.openapi()
        page = (await asker.client.get("/docs")).text
        assert openapi == (await asker.client.get("/openapi.json")).json()
    assert openapi["paths"].keys() == ERRORS.keys()
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            shapes = [
                (f"{where} {status}", content["schema"], kind)
                for status, reply in operation["responses"].items()
                for kind, content in reply["content"].items()
            ]
            sent = operation.get("requestBody", {"content": {}})["content"]
            shapes += [(where, content["schema"], kind) for kind, content in sent.items()]
            assert all(one["description"] for one in operation.get("parameters", ()))
            assert all(one["description"] for one in operation["responses"].values())
            assert operation["responses"].keys() == {"200"} | ERRORS[path], where
            for place, shape, kind in shapes:
                fields = list(fields_of(shape, openapi, place))
                assert fields or kind != "application/json", place
                for name, field in fields:
                    assert field.get("description"), name
                    assert field["description"].endswith("."), name
                    first = name.split()[-1].split(".")[1]
                    assert f"<code>{first}</code>" in page, name
    assert "HTTPValidationError" not in openapi["components"]["schemas"]
    assert "Required. Required" not in page


async def test_replies_are_as_described(ask: Ask) -> None:
    """Catches a description of a reply that is not the reply: a field more, or one less."""
    texts = {"texts": ["a"], "embedding_types": ["float", "int8", "ubinary", "base64"]}
    async with ask() as asker:
        long = "a dog " * 3_000
        replies: list[tuple[type[BaseModel], httpx2.Response]] = [
            (EmbeddingsReply, await asker.embeddings(input=["a", long])),
            (EmbeddingsReply, await asker.embeddings(input="a", encoding_format="base64")),
            (CohereReply, await asker.client.post("/v2/embed", json=texts)),
            (Models, models := await asker.client.get("/v1/models")),
            (Model, await asker.client.get(f"/v1/models/{models.json()['data'][0]['id']}")),
            (IndexReply, await asker.client.get("/v1/index")),
            (ErrorReply, await asker.embeddings(input=[""])),
            (ErrorReply, await asker.client.get("/nope")),
        ]
    for shape, reply in replies:
        read = shape.model_validate(reply.json(), strict=True, extra="forbid")
        assert read.model_dump(exclude_unset=True) == reply.json()
