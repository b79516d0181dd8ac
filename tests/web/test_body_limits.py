"""Bodies that are no JSON object: each refused for what it is."""

import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest

from e5v import E5V
from tests.web.asking import Ask, fault, vectors

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
BODY = b'{"input": "a dog"}'
FAULTS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "empty": (b"", JSON, 400, "the body is empty; expected JSON"),
    "blank": (b" \n", JSON, 400, "the body is empty"),
    "cut": (b'{"input": ', JSON, 400, "the body is not JSON: "),
    "deep": (b"[" * 5_000, JSON, 400, "the body is not JSON: "),
    "half a character": (b'{"input": "\\ud800"}', JSON, 400, "the body is not JSON: "),
    "UTF-16": (BODY.decode().encode("utf-16"), JSON, 400, "is UTF-16; expected JSON in UTF-8"),
    "Latin-1": (b'{"input": "\xe9"}', JSON, 400, "not UTF-8: byte 0xe9 at position 11"),
    "NaN": (b'{"input": "a", "dimensions": NaN}', JSON, 400, "NaN is not a JSON number"),
    "infinite": (b'{"input": [-Infinity]}', JSON, 400, "Infinity is not a JSON number"),
    "a key twice": (b'{"input": "a", "input": "b"}', JSON, 400, "'input' twice"),
    "deep twice": (b'{"input": {"text": "a", "text": "b"}}', JSON, 400, "'text' twice"),
    "a string": (b'"a dog"', JSON, 422, "the body is a string; expected a JSON object"),
    "a list": (b'["a dog"]', JSON, 422, "the body is a list; expected"),
    "null": (b"null", JSON, 422, "the body is null; expected"),
    "true": (b"true", JSON, 422, "the body is a boolean; expected"),
    "a form": (
        b"input=a+dog",
        {"content-type": "application/x-www-form-urlencoded"},
        415,
        "Content-Type is 'application/x-www-form-urlencoded'; expected Content-Type: application",
    ),
    "plain": (BODY, {"content-type": "text/plain"}, 415, "Content-Type is 'text/plain'"),
    "no type": (BODY, {}, 415, "Content-Type is missing; expected"),
    "gzip": (gzip.compress(BODY), JSON | {"content-encoding": "gzip"}, 415, "Encoding: gzip)"),
    "deflate": (zlib.compress(BODY), JSON | {"content-encoding": "Deflate"}, 415, "deflate)"),
    "br": (BODY, JSON | {"content-encoding": "br"}, 415, "(Content-Encoding: br); send it unc"),
    "gzip unsaid": (gzip.compress(BODY), JSON, 415, "(gzip, without a Content-Encoding)"),
}


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v2/embed", "/v1/search"])
async def test_a_body_is_refused_for_its_fault(ask: Ask, path: str) -> None:
    """Catches a broken body that is our failure or is answered by half, and JSON from a form."""
    async with ask() as asker:
        for name, (content, headers, status, said) in FAULTS.items():
            reply = await asker.client.post(path, content=content, headers=headers)
            message = reply.json()["error"]["message"]
            assert (reply.status_code, "\n" in message) == (status, False), name
            assert said in message, name
            assert fault(reply)[1] in {"body", "fields"}


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"\xef\xbb\xbf" + BODY, JSON),
        (BODY, {"content-type": "Application/JSON; charset=UTF-8"}),
        (BODY, {"content-type": "application/vnd.api+json"}),
        (BODY, JSON | {"content-encoding": "identity"}),
        (b'\n{"input": "a dog", "user": null}\n', JSON),
    ],
)
async def test_a_body_is_taken(
    ask: Ask, model: E5V, content: bytes, headers: dict[str, str]
) -> None:
    """Catches a harmless way to write JSON that is refused."""
    async with ask() as asker:
        reply = await asker.client.post("/v1/embeddings", content=content, headers=headers)
    np.testing.assert_allclose(vectors(reply), model.encode(["a dog"]), atol=1e-5)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/search", {"query": "a cat"}, "unknown field 'query'; did you mean 'text'?"),
        ("/v1/search", {"text": "a", "top_k": 3}, "unknown field 'top_k'; did you mean 'k'?"),
        ("/v1/search", {"text": "a", "wher": "b"}, "unknown field 'wher'; did you mean 'where'?"),
        ("/v1/search", {"text": "a", "body": 1}, "unknown field 'body'; expected one of text, "),
        ("/v1/search", {"text": "a", "path": "b"}, "unknown field 'path'; expected one of"),
        ("/v1/search", {"text": "a", "header": 1}, "unknown field 'header'"),
        ("/v1/search", {"text": "a", "cookie": 1}, "unknown field 'cookie'"),
        ("/v1/search", {"text": ["a"]}, "text is a list; expected a string"),
        ("/v1/search", {"text": 5}, "text is 5; expected a string"),
        ("/v1/search", {"text": "a", "k": "five"}, "k is 'five'; expected an integer"),
        ("/v1/search", {"text": "a", "k": 2.5}, "k is 2.5; expected an integer"),
        ("/v1/search", {"text": "a", "k": 0}, "k is 0; expected at least 1"),
        ("/v1/search", {"text": "a", "k": True}, "k is true; expected a number"),
        ("/v1/search", {"text": "a", "min_score": "x"}, "min_score is 'x'; expected a number"),
        ("/v1/embeddings", {"messages": [1]}, "messages.0 is 1; expected an object"),
        ("/v1/search", {"text": "a", "min_score": 1e999}, "the body is not JSON"),
        ("/v1/search", {"text": "a", "where": "x" * 1_001}, "where is a string of 1001 characters"),
        ("/v1/embeddings", {"query": "a"}, "unknown field 'query'"),
        ("/v1/embeddings", {"texts": ["a"]}, "unknown field 'texts'; did you mean 'input'?"),
        ("/v1/embeddings", {"input": {"query": "a"}}, "item 0: has the key 'query'; expected"),
        ("/v1/embeddings", {"input": ["a", {"body": 1}]}, "item 1: has the key 'body'; expected"),
        ("/v1/embeddings", {"input": True}, "item 0: is a boolean; expected a string or"),
        ("/v1/embeddings", {"input": [True, False]}, "item 0: is a boolean; expected"),
        ("/v1/embeddings", {"input": 5}, "item 0: is a number; expected a string or"),
        ("/v1/embeddings", {"input": 0.5}, "item 0: is a number; expected"),
        ("/v1/embeddings", {"input": [0.5, 1]}, "item 0: is a number; expected"),
        ("/v1/embeddings", {"input": ["a", None]}, "item 1: is null; expected"),
        ("/v1/embeddings", {"input": [1, 2]}, "item 0: is token ids"),
        ("/v1/embeddings", {"input": "a", "dimensions": True}, "dimensions is true; expected"),
        ("/v1/embeddings", {"input": "a", "messages": "b"}, "messages is 'b'; expected a list"),
        ("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, "encoding_format is 'hex'; e"),
        ("/v1/embeddings", {"input": "a", "late_chunking": True}, "late_chunking is true; only f"),
        ("/v2/embed", {"input": "a"}, "unknown field 'input'; did you mean 'texts'?"),
        ("/v2/embed", {"texts": "a"}, "texts is 'a'; expected a list"),
        ("/v2/embed", {"texts": ["a", 1]}, "texts.1 is 1; expected a string"),
        ("/v2/embed", {"inputs": [{"query": "a"}]}, "inputs.0: unknown field 'query'; expected o"),
        ("/v2/embed", {"inputs": [{"content": [{}], "path": 1}]}, "inputs.0: unknown field 'path'"),
        ("/v2/embed", {"inputs": [{"content": [{"query": 1}]}]}, "item 0: has the key 'query'"),
        ("/v2/embed", {"inputs": [{}]}, "inputs.0.content is missing"),
        ("/v2/embed", {"texts": ["a"], "embedding_types": ["x"]}, "embedding_types.0 is 'x'; exp"),
        ("/v2/embed", {"texts": ["a"], "embedding_types": []}, "at least 1 item"),
        ("/v2/embed", {"texts": ["a"], "priority": 1_000}, "priority is 1000; expected at most"),
        ("/v2/embed", {"texts": ["a"], "truncate": "MIDDLE"}, "truncate is 'MIDDLE'; expected 'N"),
    ],
)
async def test_a_field_is_named(ask: Ask, path: str, body: dict[str, Any], said: str) -> None:
    """Catches `no such field` that does not say which, where a field is called as a place is."""
    async with ask() as asker:
        content = json.dumps(body).replace("Infinity", "1e999")
        reply = await asker.client.post(path, content=content, headers=JSON)
    assert reply.status_code in {400, 422}
    assert said in reply.json()["error"]["message"]
