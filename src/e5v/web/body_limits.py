"""Limits on request bodies: size of one, of all, and of one address; time to arrive.

Content-Length, if sent -> chunks counted as they arrive -> the app, or 413 | 429 | 408
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from e5v.web.admission import Limits
from e5v.web.connections import subnet_of
from e5v.web.errors import Reason, Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ADDRESS_SHARE = 2  # one address may use half of the memory for bodies


class BodyLimitMiddleware:
    """Middleware that limits request bodies; calls `refused` for each one refused unread."""

    def __init__(self, app: ASGIApp, limits: Limits, refused: Callable[[Reason], None]) -> None:
        self._app = app
        self._limits = limits
        self._refused = refused
        self._held: Counter[str] = Counter()  # bytes of the bodies in memory, by address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count the bytes of its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._limits.body_bytes:
            refusal = self._too_large()
            self._refused(refusal.reason)
            await refusal.reply()(scope, receive, send)
            return
        body = _Body(self, receive, subnet_of((scope.get("client") or ("",))[0]))
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._held[body.address] -= body.bytes
            self._held += Counter()  # drop addresses without bodies

    def take(self, more: int, so_far: int, address: str) -> None:
        """Count a chunk of a body against the limits.

        Raises:
            Refused: too large a body (413), or too many bytes in all or of one address (429).
        """
        if so_far + more > self._limits.body_bytes:
            raise self._too_large()
        most = self._limits.bodies_bytes
        share = max(most // ADDRESS_SHARE, self._limits.body_bytes)
        if self._held[address] + more > share or self._held.total() + more > most:
            message = "the memory for request bodies is full; try again in 1 s"
            raise Refused(429, "busy", message, headers={"Retry-After": "1"})
        self._held[address] += more

    @property
    def seconds(self) -> float:
        """Seconds that a body may take to arrive."""
        return self._limits.body_seconds

    def _too_large(self) -> Refused:
        most = self._limits.body_bytes
        return Refused(413, "body", f"the body is over {most} bytes; send it in smaller requests")


class _Body:
    """One request's body while it arrives."""

    def __init__(self, bounds: BodyLimitMiddleware, receive: Receive, address: str) -> None:
        self._bounds = bounds
        self._receive = receive
        self._deadline = time.monotonic() + bounds.seconds
        self._complete = False
        self.address = address
        self.bytes = 0

    async def receive(self) -> Message:
        """Receive the next ASGI message."""
        if self._complete:
            return await self._receive()
        left = max(0.0, self._deadline - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), left)
        except TimeoutError:
            seconds = self._bounds.seconds
            late = f"the body took over {seconds:g} s to arrive; send it in smaller requests"
            raise Refused(408, "body", late, headers={"Connection": "close"}) from None
        chunk = len(message.get("body", b""))
        self._bounds.take(chunk, self.bytes, self.address)
        self.bytes += chunk
        self._complete = not message.get("more_body", False)
        return message
