"""How long a server stays, and which other processes of its user find it.

app that serves -> Unix socket for this user (`local_socket.py`), noted in the index
                -> idle for too long -> its end
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e5v.search.server_record import ServerRecord
from e5v.web.index_view import Collection
from e5v.web.local_socket import LocalAnswers, open_local_socket

if TYPE_CHECKING:
    from fastapi import FastAPI


@dataclass(frozen=True)
class Stay:
    """How long a server stays, and who finds it.

    Attributes:
        idle_seconds: it ends when there was no request for that long; None for never.
        record: what it says of itself in the index, for this user's other processes; None for
            nothing.
    """

    idle_seconds: float | None = None
    record: ServerRecord | None = None


@asynccontextmanager
async def stay(app: FastAPI, how: Stay, end: Callable[[], None]) -> AsyncIterator[None]:
    """Open the socket, and watch for idleness, while the block runs; `end` ends the server."""
    service, activity = app.state.service, app.state.activity
    async with AsyncExitStack() as stack:
        if how.record is not None and isinstance(service.collection, Collection):
            is_ending: Callable[[], bool] = app.state.is_ending
            answers = LocalAnswers(service, service.collection, activity, end, is_ending)
            await stack.enter_async_context(open_local_socket(answers, how.record))
        if how.idle_seconds is not None:
            work = asyncio.create_task(activity.end_when_idle(how.idle_seconds, end))
            stack.callback(work.cancel)
        yield
