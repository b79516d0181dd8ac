"""When a server was last used, so that one that was started by the way ends by itself.

request that has passed the access checks -> Activity -> idle for too long -> the server ends
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from e5v.web.access import OPEN_PATHS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

WATCHED = OPEN_PATHS | {"/metrics"}  # asked by machines at all times, which is no use of the server


class Activity:
    """The requests that are being answered, and when the last one was. For the event loop only."""

    def __init__(self) -> None:
        self._open = 0
        self._last = time.monotonic()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Count a request while the block runs."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            self._last = time.monotonic()

    def idle_seconds(self) -> float:
        """Return for how long there was no request."""
        return 0.0 if self._open else time.monotonic() - self._last

    async def end_when_idle(self, seconds: float, end: Callable[[], None]) -> None:
        """Call `end` once there was no request for that long."""
        while (idle := self.idle_seconds()) < seconds:
            await asyncio.sleep(seconds - idle)
        end()


class ActivityMiddleware:
    """Middleware that counts requests, but for those of health checks and metrics."""

    def __init__(self, app: ASGIApp, activity: Activity) -> None:
        self._app = app
        self._activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["path"] in WATCHED:
            await self._app(scope, receive, send)
            return
        with self._activity.use():
            await self._app(scope, receive, send)
