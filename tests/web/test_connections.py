"""Clients that send or read slowly, over real sockets: they are given up, and lock nobody out."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from e5v import E5V
from e5v.web import connections
from e5v.web.admission import Limits
from e5v.web.app import create_app
from e5v.web.connections import subnet_of
from e5v.web.index_view import Collection
from e5v.web.service import Settings
from e5v.web.serving import fit_to_files, listen, server_config

pytestmark = pytest.mark.anyio

HALF_HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
WHOLE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HALF_BODY = POST + b'Content-Length: 14\r\n\r\n{"input": '
SMALL = 8192  # bytes that the system keeps of a reply that nobody reads
LONG = 60.0  # seconds that no test waits for unless it fails

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Listening:
    """A server with real sockets, in this process."""

    port: int
    state: Any  # uvicorn's own count of connections and tasks
    writers: list[asyncio.StreamWriter]

    async def open(self, sent: bytes = b"") -> Connection:
        """Connect and send; without Nagle's algorithm as every asyncio connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write(sent)
        return reader, writer

    async def ask(self, path: str = "/livez") -> int:
        """Ask as one more client, and return the status of the reply."""
        async with httpx2.AsyncClient(timeout=LONG) as client:
            return (await client.get(f"http://127.0.0.1:{self.port}{path}")).status_code

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(LONG):
            while not holds():
                await asyncio.sleep(0.01)


Serve = Callable[[Limits], AbstractAsyncContextManager[Listening]]


@pytest.fixture
def serve(model: E5V, tmp_path: Path) -> Serve:
    """Serve the small model, without an index, as `e5v serve` does."""

    @asynccontextmanager
    async def served(limits: Limits) -> AsyncIterator[Listening]:
        app = create_app(Collection(tmp_path / "none", model), Settings(limits))
        with listen("127.0.0.1", 0) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
            server = uvicorn.Server(server_config(app, limits))
            async with app.router.lifespan_context(app):
                running = asyncio.create_task(server.serve([listening]))
                port = listening.getsockname()[1]
                there = Listening(port, server.server_state, [])
                await there.until(lambda: server.started)
                yield there
                for writer in there.writers:
                    writer.close()
                server.should_exit = True
                await asyncio.wait_for(running, LONG)

    return served


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """Read until the server closes; b"" if it reset the connection."""
    async with asyncio.timeout(LONG):
        with suppress(ConnectionResetError):
            return await reader.read()
    return b""


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then for as long as the server takes it."""
    with suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)


async def test_half_heads_do_not_lock_others_out(serve: Serve) -> None:
    """Catches a server that 1,100 half requests keep busy for as long as they like."""
    async with serve(Limits(connections=200, head_seconds=LONG)) as server:
        half = [await server.open(HALF_HEAD) for _ in range(300)]
        assert await server.ask() == 200
        assert await server.ask("/v1/models") == 200
        await server.until(lambda: len(server.state.connections) < 200)
        assert await read_to_end(half[0][0]) == b""  # the first ones had to go
        half[-1][1].write(b"no more\r\n\r\n")  # the last one may still finish
        assert (await half[-1][0].readline()).split()[1] == b"200"


async def test_a_head_has_a_deadline(serve: Serve) -> None:
    """Catches half a head that stays for ever, also one that gets a byte now and then."""
    async with serve(Limits(head_seconds=0.3)) as server:
        silent, _ = await server.open()
        half, _ = await server.open(HALF_HEAD)
        second, _ = await server.open(WHOLE + HALF_HEAD)
        dripping, writer = await server.open(HALF_HEAD)

        task = asyncio.create_task(drip(writer))
        replies = [await read_to_end(one) for one in (half, dripping)]
        assert await read_to_end(silent) == b""  # browsers connect ahead of need
        assert (await read_to_end(second)).startswith(b"HTTP/1.1 200")
        task.cancel()
        assert replies[0].startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"took over 0.3 s to arrive" in replies[0]
        await server.until(lambda: not server.state.connections)


async def test_a_drip_after_the_reply_has_a_deadline(serve: Serve) -> None:
    """Catches a body that nobody reads and that keeps its connection open after the reply."""
    async with serve(Limits(head_seconds=0.3)) as server:
        reader, writer = await server.open(
            b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"
        )
        assert b"405" in await reader.readline()
        task = asyncio.create_task(drip(writer))
        await read_to_end(reader)
        task.cancel()
        await server.until(lambda: not server.state.connections)


async def test_half_bodies_do_not_lock_others_out(serve: Serve) -> None:
    """Catches bodies that never end: each has a deadline, and they make room for others."""
    async with serve(Limits(connections=50, body_seconds=1.0)) as server:
        half = [await server.open(HALF_BODY) for _ in range(80)]
        assert await server.ask() == 200
        reply = await read_to_end(half[-1][0])
        assert reply.startswith(b"HTTP/1.1 408")
        assert b"the body took over 1 s" in reply
        await server.until(lambda: not server.state.connections)


async def test_one_address_cannot_fill_the_memory_for_bodies(serve: Serve) -> None:
    """Catches half bodies of one address which have everybody else refused."""
    limits = Limits(body_bytes=1_000, bodies_bytes=4_000, body_seconds=LONG)
    post = POST + b"Content-Length: 1000\r\n\r\n" + b" " * 900
    async with serve(limits) as server:
        taken = [await server.open(post) for _ in range(2)]
        await server.until(lambda: len(server.state.tasks) == 2)
        await asyncio.sleep(0.1)
        reader, _ = await server.open(post)
        assert (await reader.readline()).split()[1] == b"429"
        assert len(taken) == 2


async def test_idle_connections_of_one_address_are_bounded(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an address that may have every connection, and a burst of clients cut off."""
    limits = Limits(connections=100, idle_per_address=5, head_seconds=LONG)
    async with serve(limits) as server:
        burst = [await server.open() for _ in range(20)]
        await server.until(lambda: len(server.state.connections) == 20)
        for _, writer in burst:
            writer.write(WHOLE)
        replies = [await reader.readline() for reader, _ in burst]
        assert [reply.split()[1] for reply in replies] == [b"200"] * 20
        for _, writer in burst:
            writer.close()
        await server.until(lambda: not server.state.connections)
        monkeypatch.setattr(connections, "GRACE_SECONDS", 0.0)
        late = [await server.open(HALF_HEAD) for _ in range(20)]
        assert await read_to_end(late[0][0]) == b""
        assert await server.ask() == 200
        assert len(server.state.connections) <= 5


TEXTS = b'{"input": [%s]}' % b", ".join([b'"a"'] * 200)
LARGE = POST + b"Content-Length: %d\r\n\r\n" % len(TEXTS) + TEXTS  # the reply has 160 kB


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients take in little before they read it."""
    before = socket.socket.connect

    def connect(own: socket.socket, address: Any) -> None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        before(own, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.mark.usefixtures("narrow")
async def test_a_client_that_does_not_read_is_given_up(serve: Serve) -> None:
    """Catches a reply that nobody reads and whose connection and memory are kept for ever."""
    async with serve(Limits(stall_seconds=0.3, head_seconds=LONG)) as server:
        _, writer = await server.open(LARGE)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await server.until(lambda: bool(server.state.tasks))
        await server.until(lambda: not server.state.connections)
        assert await server.ask() == 200


@pytest.mark.usefixtures("narrow")
async def test_a_slow_reader_gets_all_of_its_reply(serve: Serve) -> None:
    """Catches a deadline for silent clients that cuts off those who read slowly."""
    async with serve(Limits(head_seconds=0.5, stall_seconds=5.0)) as server:
        reader, _ = await server.open(LARGE)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        read = 0
        while piece := await reader.read(2**14):
            read += len(piece)
            await asyncio.sleep(0.02)
        assert read == length


def test_a_subnet_is_one_client() -> None:
    """Catches an IPv6 client that counts as another with every address of its own."""
    assert subnet_of("2001:db8:1:2:3::4") == subnet_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::"
    assert subnet_of("2001:db8:1:3::1") != subnet_of("2001:db8:1:2::1")
    assert subnet_of("::ffff:10.0.0.1") == subnet_of("10.0.0.1") == "10.0.0.1"
    assert subnet_of("fe80::1%eth0") == "fe80::"
    assert subnet_of("") == ""


def test_connections_fit_the_files_that_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches more connections than the process can open, which stops it from accepting any."""
    resource = pytest.importorskip("resource")
    wanted: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: wanted.append(limit))
    for limit, connections_then, asked in (
        ((256, 512), 256, [(512, 512)]),
        ((1_024, 1_048_576), 1_024, [(4_096, 1_048_576)]),
        ((20_000, 20_000), 1_024, []),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 1_024, []),
    ):
        wanted.clear()
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: limit)
        assert fit_to_files(Limits()).connections == connections_then
        assert wanted == asked


def test_uvicorn_is_as_connections_expect() -> None:
    """Catches a uvicorn whose protocol has other names, which would switch the deadlines off."""
    for name in ("data_received", "on_response_complete", "pause_writing", "resume_writing"):
        assert callable(getattr(H11Protocol, name))
    names = RequestResponseCycle.__init__.__code__.co_names
    assert {"response_complete", "more_body"} <= set(names)
    assert {"cycle", "conn", "transport", "connections", "loop", "client"} <= set(
        H11Protocol.__init__.__code__.co_names
    )
