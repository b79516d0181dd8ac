"""The server process: a socket, an app, and a clean shutdown.

host, port -> socket, which refuses connections -> app opened -> it accepts them -> uvicorn
    -> SIGTERM or Ctrl-C -> no new connections, open requests are finished

While it refuses, a balancer asks other copies; in a queue, requests would wait for the model.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import uvicorn

from e5v.errors import UsageError
from e5v.web.admission import Limits
from e5v.web.connections import bounded_protocol
from e5v.web.staying import Stay, stay

if TYPE_CHECKING:
    from fastapi import FastAPI

FINISH_SECONDS = 60  # for open requests at shutdown
HEADER_BYTES = 2**16
FILES = 4_096  # that the process may open, sockets included, where the system allows it


def listen(host: str, port: int) -> socket.socket:
    """Take the port of a server, 0 for any free one; connections are refused until it serves.

    Raises:
        UsageError: the port is in use, or the host is not an address of this machine.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in host:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise _refuse_port(host, port) from None
        cause = error.strerror or error
        message = f"cannot listen on {host}:{port}: {cause}"
        raise UsageError(message, argument="host") from None
    # Accepted connections inherit this. Without it the body of a reply, sent after its head, waits
    # 40 ms for the client to acknowledge the head; asyncio sets it for its own sockets only.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _refuse_port(host: str, port: int) -> UsageError:
    message = f"port {port} of {host} is in use; choose another, or 0 for any free one"
    return UsageError(message, argument="port")


def accept(listening: socket.socket, backlog: int) -> None:
    """Accept connections on a socket of `listen`.

    Raises:
        UsageError: another server has taken its port since.
    """
    try:
        listening.listen(backlog)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise _refuse_port(*listening.getsockname()[:2]) from None


def serve(
    app: FastAPI,
    listening: socket.socket,
    ready: Callable[[], None],
    limits: Limits | None = None,
    how: Stay | None = None,
) -> None:
    """Serve until a signal ends it, then finish the open requests; calls `ready` once it serves.

    `how` says what else ends it, and who finds it.

    Raises:
        E5VError: the service cannot be opened, or the port was taken meanwhile.
    """
    config = server_config(app, fit_to_files(limits or Limits()))
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(app, config, listening, ready, how or Stay()))


def server_config(app: FastAPI, limits: Limits) -> uvicorn.Config:
    """Return uvicorn's configuration for an app and its limits."""
    return uvicorn.Config(
        app,
        http=bounded_protocol(limits),
        ws="none",
        lifespan="off",  # opened by _serve: uvicorn would report a failure as a traceback
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )


def fit_to_files(limits: Limits) -> Limits:
    """Raise the limit on open files to fit the connections; else reduce the connections to fit it.

    A process at its limit can neither accept connections nor read the index.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return limits
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(FILES, 2 * limits.connections)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft == resource.RLIM_INFINITY:
        return limits
    return replace(limits, connections=max(1, min(limits.connections, soft // 2)))


async def _serve(
    app: FastAPI,
    config: uvicorn.Config,
    listening: socket.socket,
    ready: Callable[[], None],
    how: Stay,
) -> None:
    async with app.router.lifespan_context(app):
        server = uvicorn.Server(config)
        app.state.is_ending = lambda: server.should_exit
        accept(listening, config.backlog)

        def end() -> None:
            server.should_exit = True

        async with stay(app, how, end):
            ready()
            with _ignore_second_signal():
                await server.serve([listening])


@contextmanager
def _ignore_second_signal() -> Iterator[None]:
    """Ignore the signal that uvicorn raises again after its shutdown, so that we exit with 0."""
    ends = (signal.SIGTERM, signal.SIGINT)
    before: dict[signal.Signals, Any] = {one: signal.signal(one, lambda *_: None) for one in ends}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
