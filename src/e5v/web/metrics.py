"""The server's metrics, in the format of Prometheus.

requests, items, passes, refusals -> Meters -> GET /metrics
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from e5v.web.admission import AdmissionQueue
    from e5v.web.batching import ForwardPass

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
TOKENS = tuple(2**power for power in range(4, 17))
ITEMS = tuple(2**power for power in range(11))
FAILED = 500


class Meters:
    """One server's metrics, in a registry of their own: one process may have two servers."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        named = ["route", "status"]
        self.requests = Counter("e5v_requests", "Requests answered", named, registry=registry)
        self.seconds = Histogram(
            "e5v_request_seconds",
            "Time to the reply",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.rejected = Counter("e5v_rejected", "Requests refused", ["reason"], registry=registry)
        self.items = Counter("e5v_items", "Items embedded", registry=registry)
        self.tokens = Counter("e5v_tokens", "Tokens embedded", registry=registry)
        self.queued = Gauge(
            "e5v_queued_tokens", "Tokens waiting or being prepared", registry=registry
        )
        self.pass_items = Histogram(
            "e5v_pass_items", "Items of a forward pass", buckets=ITEMS, registry=registry
        )
        self.pass_tokens = Histogram(
            "e5v_pass_tokens", "Tokens of a forward pass", buckets=TOKENS, registry=registry
        )
        self.pass_seconds = Histogram(
            "e5v_pass_seconds", "Time of a forward pass", buckets=SECONDS, registry=registry
        )

    def watch_queue(self, queue: AdmissionQueue) -> None:
        """Report the tokens in a queue as the length of the queue."""
        self.queued.set_function(lambda: queue.tokens)

    def count_pass(self, done: ForwardPass) -> None:
        """Count a forward pass."""
        self.items.inc(done.items)
        self.tokens.inc(done.tokens)
        self.pass_items.observe(done.items)
        self.pass_tokens.observe(done.tokens)
        self.pass_seconds.observe(done.seconds)

    def write_text(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Middleware that counts requests by route."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it when its reply begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count_request(scope, message["status"], start)
            await send(message)

        try:
            await self._app(scope, receive, send_and_count)
        except Exception:
            self._count_request(scope, FAILED, start)
            raise

    def _count_request(self, scope: Scope, status: int, start: float) -> None:
        route = name_route(scope)
        self._meters.requests.labels(route, str(status)).inc()
        self._meters.seconds.labels(route).observe(time.perf_counter() - start)


def name_route(scope: Scope) -> str:
    """Return the route of a request, or "other"; never a path invented by a client."""
    route = scope.get("route")
    return str(getattr(route, "path", "") or "other")
