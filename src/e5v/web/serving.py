"""The server process: a socket, an app, and a quiet end.

host, port -> socket -> app opened -> uvicorn
    -> SIGTERM or Ctrl-C -> nothing new, what is in flight finished
"""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from e5v.errors import UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

CONNECTIONS = 1_024  # open at one time; more are told 503
FINISH_SECONDS = 60  # for what is in flight at the end
HEADER_BYTES = 2**16


def listen(host: str, port: int) -> socket.socket:
    """Open the socket of a server; port 0 is any that is free.

    Raises:
        UsageError: the port is taken, or the host is no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} of {host} is taken; choose another, or 0 for any", argument="port"
            ) from None
        cause = error.strerror or error
        raise UsageError(f"{host}:{port} cannot be listened on: {cause}") from None
    # What it accepts inherits this. Without it the body of a reply, which is sent after its head,
    # waits 40 ms for the client to acknowledge the head; asyncio sees to it for its own sockets.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def serve(app: FastAPI, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until asked to end, then finish what is in flight; `ready` is told when it begins.

    Raises:
        E5VError: what the app serves cannot be opened.
    """
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",  # it is opened below: uvicorn would tell what fails then as a traceback
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(app, config, listening, ready))


async def _serve(
    app: FastAPI, config: uvicorn.Config, listening: socket.socket, ready: Callable[[], None]
) -> None:
    async with app.router.lifespan_context(app):
        ready()
        with _asked_once():
            await uvicorn.Server(config).serve([listening])


@contextmanager
def _asked_once() -> Iterator[None]:
    """Let uvicorn, which raises the signal that ended it once more, end well."""
    ends = (signal.SIGTERM, signal.SIGINT)
    before: dict[signal.Signals, Any] = {one: signal.signal(one, lambda *_: None) for one in ends}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
