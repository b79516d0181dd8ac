"""Everything that comes is bounded, and what is not taken is told with its reason."""

import asyncio
import io
import struct
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
from PIL import Image

from e5v import E5V
from e5v.web.admission import AdmissionQueue, Limits
from e5v.web.body_limits import BodyLimitMiddleware
from e5v.web.errors import Refused
from e5v.web.service import Settings
from tests.web.asking import Ask, data_uri, fault, picture

pytestmark = pytest.mark.anyio


async def _chunks(content: bytes, size: int = 100) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_is_refused(ask: Ask, *, chunked: bool) -> None:
    """Catches a limit that is believed to the Content-Length, and none where there is no such."""
    body = b'{"input": "%s"}' % (b"a " * 1000)
    headers = {"content-type": "application/json"}
    async with ask(Settings(Limits(body_bytes=1500))) as asker:
        content: Any = _chunks(body) if chunked else body
        reply = await asker.client.post("/v1/embeddings", content=content, headers=headers)
        small = await asker.client.post("/v1/embeddings", content=_chunks(b'{"input": "a"}'))
        assert fault(reply) == (413, "body", None)
        assert small.status_code == 415  # no Content-Type
        assert await asker.count('e5v_rejected_total{reason="body"}') == 2


async def test_all_bodies_together_are_bounded() -> None:
    """Catches memory that many bodies fill, each within its limit, and room not given back."""
    limits = Limits(body_bytes=100, bodies_bytes=150)
    gate = asyncio.Event()
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await gate.wait()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 90, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message["status"])

    bounded = BodyLimitMiddleware(app, limits, lambda _: None)
    scope = {"type": "http", "headers": []}
    first = asyncio.create_task(bounded(scope, receive, send))
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    with pytest.raises(Refused) as refused:
        await bounded(scope, receive, send)
    assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": "1"})
    gate.set()
    await first
    await bounded(scope, receive, send)


async def test_a_body_that_never_ends_is_given_up(ask: Ask) -> None:
    """Catches a client that holds a connection by sending nothing."""

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(3600)

    async with ask(Settings(Limits(body_seconds=0.05))) as asker:
        headers = {"content-type": "application/json"}
        reply = await asker.client.post("/v1/embeddings", content=never(), headers=headers)
    assert fault(reply) == (408, "body", None)


async def test_items_are_counted(ask: Ask) -> None:
    """Catches a request of a million empty items, and a limit that is off by one."""
    async with ask(Settings(Limits(items=3))) as asker:
        assert (await asker.embeddings(input=["a"] * 3)).status_code == 200
        assert fault(await asker.embeddings(input=["a"] * 4)) == (422, "items", None)
        cohere = await asker.client.post("/v2/embed", json={"texts": ["a"] * 4})
        assert fault(cohere) == (422, "items", None)


def _huge_png(side: int) -> bytes:
    """Write a PNG whose header promises more than its few bytes hold."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    ending = chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + ending


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
async def test_a_large_image_is_refused_by_its_header(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    """Catches an image that is decoded to learn that it is too large."""
    small, bomb = data_uri(picture(60, 40)), data_uri(_huge_png(side))
    async with ask() as asker:
        assert (await asker.embeddings(input={"image": small})).status_code == 200
        monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
        reply = await asker.embeddings(input=["a", {"image": bomb}])
    assert fault(reply) == (422, "item", 1)
    assert "50 megapixels" in reply.json()["error"]["message"]


async def test_icons_are_refused(ask: Ask) -> None:
    """Catches a format whose header may say another size than the picture inside it has."""
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, "ICO")
    async with ask() as asker:
        reply = await asker.embeddings(input={"image": data_uri(file.getvalue(), "image/x-icon")})
    assert "supported format" in reply.json()["error"]["message"]


async def test_an_item_that_takes_too_long_is_given_up(
    ask: Ask, model: E5V, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an image that takes minutes to decode and keeps its client, and others, waiting."""
    before = model.prepare

    def slow(item: Any, **options: Any) -> Any:
        if "slow" in str(item):
            time.sleep(0.5)
        return before(item, **options)

    monkeypatch.setattr(model, "prepare", slow)
    async with ask(Settings(Limits(prepare_seconds=0.1))) as asker:
        reply = await asker.embeddings(input=["quick", "slow"])
        assert fault(reply) == (422, "item", 1)
        assert "took over 0.1 s" in reply.json()["error"]["message"]
        await asyncio.sleep(0.6)
        assert (await asker.embeddings(input=["quick"] * 40)).status_code == 200


async def test_a_full_queue_says_when_to_come_again(ask: Ask) -> None:
    """Catches a queue without end, a refusal without Retry-After, and room not given back."""
    replies: list[httpx2.Response] = []
    texts = ["a dog in the grass"] * 10
    async with ask(Settings(Limits(queued_tokens=600))) as asker:

        async def one() -> None:
            replies.append(await asker.embeddings(input=texts))

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(one)
        full = [reply for reply in replies if reply.status_code == 429]
        assert 0 < len(full) < len(replies)
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in full)
        assert fault(full[0])[1] == "busy"
        assert await asker.count("e5v_queued_tokens") == 0
        assert (await asker.embeddings(input=texts)).status_code == 200
        assert fault(await asker.embeddings(input=texts * 10)) == (413, "items", None)


async def test_a_queue_too_small_for_anything(ask: Ask) -> None:
    """Catches a server that cannot start because its own first item is refused."""
    async with ask(Settings(Limits(queued_tokens=5))) as asker:
        assert fault(await asker.embeddings(input="a dog")) == (413, "items", None)


def test_the_ledger_counts_what_is_held() -> None:
    """Catches a share that is counted twice when it is corrected, or lost when refused."""
    queue = AdmissionQueue(100)
    with queue.reserve() as first, queue.reserve() as second:
        first.set(60)
        first.set(70)
        with pytest.raises(Refused, match="70 tokens are waiting"):
            second.set(40)
        second.set(30)
        assert queue.tokens == 100
        with pytest.raises(Refused, match="smaller requests"):
            second.set(101)
    assert queue.tokens == 0
    queue.measure_speed(1_000_000, 1.0)
    assert queue.make_refusal(100).headers == {"Retry-After": "1"}
