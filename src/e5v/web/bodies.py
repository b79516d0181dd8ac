"""Request bodies, bounded: each, all together, and in the time they take.

Content-Length, where there is one -> chunks counted as they come -> the app, or 413 | 429 | 408
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from e5v.web.limits import Limits
from e5v.web.refusals import Reason, Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Bounded:
    """An app whose requests' bodies are bounded; `refused` is told of those that are not read."""

    def __init__(self, app: ASGIApp, limits: Limits, refused: Callable[[Reason], None]) -> None:
        self._app = app
        self._limits = limits
        self._refused = refused
        self._held = 0  # bytes of all bodies that are here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting what comes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._limits.body_bytes:
            refusal = self._too_large()
            self._refused(refusal.reason)
            await refusal.reply()(scope, receive, send)
            return
        body = _Body(self, receive)
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._held -= body.bytes

    def take(self, more: int, so_far: int) -> None:
        """Make room for a chunk of a body.

        Raises:
            Refused: the body is too large (413), or all are (429).
        """
        if so_far + more > self._limits.body_bytes:
            raise self._too_large()
        if self._held + more > self._limits.bodies_bytes:
            message = "other requests fill the memory; try again in a second"
            raise Refused(429, "busy", message, headers={"Retry-After": "1"})
        self._held += more

    @property
    def seconds(self) -> float:
        """How long a body may take."""
        return self._limits.body_seconds

    def _too_large(self) -> Refused:
        most = self._limits.body_bytes
        return Refused(413, "body", f"the body is over {most} bytes; send it in smaller requests")


class _Body:
    """One request's body on its way."""

    def __init__(self, bounds: Bounded, receive: Receive) -> None:
        self._bounds = bounds
        self._receive = receive
        self._deadline = time.monotonic() + bounds.seconds
        self._complete = False
        self.bytes = 0

    async def receive(self) -> Message:
        """Receive a message as an app does."""
        if self._complete:
            return await self._receive()
        left = max(0.0, self._deadline - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), left)
        except TimeoutError:
            raise Refused(408, "body", "the body took too long to arrive") from None
        chunk = len(message.get("body", b""))
        self._bounds.take(chunk, self.bytes)
        self.bytes += chunk
        self._complete = not message.get("more_body", False)
        return message
