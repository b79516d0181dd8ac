"""A client that leaves gives up its place."""

import asyncio
from typing import Any

import orjson
import pytest

from tests.web.asking import Ask

pytestmark = pytest.mark.anyio


async def test_who_leaves_is_not_served(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches tokens held, and a model kept busy, for a connection that is closed."""
    body = orjson.dumps({"input": [f"number {place}" for place in range(300)]})
    messages = [
        {"type": "http.request", "body": body, "more_body": False},
        {"type": "http.disconnect"},
    ]
    replies: list[Any] = []

    async def receive() -> Any:
        if len(messages) == 1:
            await asyncio.sleep(0.05)
        return messages.pop(0)

    async def send(message: Any) -> None:
        replies.append(message)

    async with ask() as asker:
        before = await asker.count("e5v_items_total")
        headers = [(b"host", b"testserver"), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/embeddings",
            "headers": headers,
            "query_string": b"",
        }
        service = asker.app.state.service
        monkeypatch.setattr(service.embedder._batcher, "budget", 30)  # one item in a pass
        await asker.app(scope, receive, send)
        assert await asker.count("e5v_queued_tokens") == 0
        assert await asker.count('e5v_rejected_total{reason="gone"}') == 1
        embedded = await asker.count("e5v_items_total") - before
        assert (await asker.embeddings(input="a")).status_code == 200
        assert embedded < 300
    assert replies[0]["status"] == 499
