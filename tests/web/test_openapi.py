"""What the server sends is what OpenAPI says: on every route, replies and refusals."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from pydantic import BaseModel

from e5v.web import reply_schemas
from tests.web.asking import Ask
from tests.web.shelf import Shelf

pytestmark = pytest.mark.anyio

BODIES = {
    "/v1/embeddings": {"input": ["a dog"]},
    "/v2/embed": {"texts": ["a dog"], "embedding_types": ["float", "binary"]},
    "/v1/search": {"text": "a dog", "k": 2},
}


def find_model(content: dict[str, Any]) -> type[BaseModel]:
    """Return the model that a documented JSON reply names."""
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    found: type[BaseModel] = getattr(reply_schemas, name)
    return found


def check_reply(reply: httpx2.Response, operation: dict[str, Any]) -> None:
    """Compare a reply with what is documented for its status."""
    content = operation["responses"][str(reply.status_code)]["content"]
    kind = reply.headers["content-type"].partition(";")[0]
    if kind != "application/json":
        assert {kind, f"{kind.partition('/')[0]}/*"} & content.keys(), (reply.url, kind)
        return
    read = find_model(content).model_validate(reply.json(), strict=True, extra="forbid")
    assert read.model_dump(exclude_unset=True) == reply.json()


async def test_every_reply_is_the_documented_one(ask: Ask, shelf: Shelf) -> None:
    """Catches a route whose reply has another shape or media type than /docs says."""
    image = next(entry.id for entry in shelf.shelved if entry.kind == "image")
    async with ask() as asker:
        openapi = asker.app.openapi()
        name = (await asker.client.get("/v1/models")).json()["data"][0]["id"]
        for path, operations in openapi["paths"].items():
            url = path.replace("{id}", quote(image, safe="")).replace("{name}", name)
            for method, operation in operations.items():
                reply = await asker.client.request(method, url, json=BODIES.get(path))
                assert reply.status_code == 200, (path, reply.text)
                check_reply(reply, operation)


async def test_every_refusal_is_a_documented_one(ask: Ask) -> None:
    """Catches a status that /docs does not name, FastAPI's own 422 for one, and another shape."""
    async with ask() as asker:
        for path, operations in asker.app.openapi()["paths"].items():
            url = path.replace("{id}", "nothing").replace("{name}", "nothing")
            for method, operation in operations.items():
                wrong = {"method": method, "url": url, "json": BODIES.get(path)}
                tries = [wrong | {"headers": {"sec-fetch-site": "cross-site"}}]
                if method == "post":
                    tries += [wrong | {"json": {"no_such_field": 1}}, wrong | {"json": []}]
                    tries += [wrong | {"json": None, "content": b"{"}]
                else:
                    tries += [wrong | {"params": {"limit": "many"}}]
                for one in tries:
                    reply = await asker.client.request(**one)
                    if reply.status_code != 200:
                        content = operation["responses"][str(reply.status_code)]["content"]
                        assert find_model(content) is reply_schemas.ErrorReply, path
                        check_reply(reply, operation)


async def test_no_schema_is_empty(ask: Ask) -> None:
    """Catches a reply or an error that is documented as `{}`."""
    async with ask() as asker:
        openapi = asker.app.openapi()
    for path, operations in openapi["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                for content in response["content"].values():
                    assert content["schema"], (path, status)
    for name, schema in openapi["components"]["schemas"].items():
        for field, about in schema.get("properties", {}).items():
            assert {"type", "anyOf", "$ref", "const", "enum"} & about.keys(), (name, field)
