"""Limits on open connections, so that slow clients cannot block others.

accepted -> waiting for a request -> request here -> answered -> waiting for a request
    waiting too long -> closed; too many connections -> the longest wait is closed

uvicorn limits neither the time until the head of a request arrives nor the connections of one
address. Only this file relies on the internals of its HTTP protocol (tested with uvicorn
0.54); tests/web/test_connections.py fails if they change.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from e5v.web.errors import Refused

if TYPE_CHECKING:
    from e5v.web.admission import Limits

GRACE_SECONDS = 1.0  # for a burst of clients of one address to send their requests
SUBNET_BITS = 64  # of an IPv6 address: one client usually has all addresses of its subnet


class Connections:
    """All open connections of one server. For its event loop only."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: set[BoundedConnection] = set()
        self._waiting: dict[BoundedConnection, float] = {}  # since when, the longest wait first

    def add(self, connection: BoundedConnection) -> None:
        """Accept a new connection; at the limit, close the one that has waited longest.

        If no connection is waiting for its client, uvicorn answers the new one with 503.
        """
        self._make_room(connection.address)
        self._open.add(connection)
        self.wait(connection)

    def wait(self, connection: BoundedConnection) -> None:
        """Note that the connection waits for the client to send or to read."""
        self._waiting.setdefault(connection, time.monotonic())

    def answer(self, connection: BoundedConnection) -> None:
        """Note that the client waits for the server."""
        self._waiting.pop(connection, None)

    def remove(self, connection: BoundedConnection) -> None:
        """Remove a connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def _make_room(self, address: str) -> None:
        idle = [one for one in self._waiting if one.address == address and one.idle]
        overdue = time.monotonic() - GRACE_SECONDS
        if len(idle) >= self.limits.idle_per_address and self._waiting[idle[0]] < overdue:
            idle[0].drop()
        if self._waiting and len(self._open) + 1 >= self.limits.connections:
            self._longest_wait().drop()

    def _longest_wait(self) -> BoundedConnection:
        """Return the longest wait of the address with most of them, preferably an idle one."""
        busiest = Counter(one.address for one in self._waiting).most_common(1)[0][0]
        own = [one for one in self._waiting if one.address == busiest]
        return next((one for one in own if one.idle), own[0])


class BoundedConnection(H11Protocol):
    """One HTTP connection: uvicorn's, with deadlines for a client that stops sending or reading."""

    def __init__(self, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        self.address = ""
        self._connections = connections
        self._limits = connections.limits
        self._deadline: asyncio.TimerHandle | None = None  # for the head of the next request
        self._stall: asyncio.TimerHandle | None = None  # for the client to read of a reply
        self._begun = False  # part of the next request has arrived

    @property
    def idle(self) -> bool:
        """Whether there is no request and no reply in progress."""
        return self._deadline is not None and self._stall is None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection."""
        super().connection_made(transport)
        self.address = subnet_of(self.client[0] if self.client else "")
        self._connections.add(self)
        self._note_turn()

    def data_received(self, data: bytes) -> None:
        """Read a piece of a request."""
        self._begun = True
        super().data_received(data)
        self._note_turn()

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn starts it if it has arrived already."""
        self._begun = False
        super().on_response_complete()
        self._note_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        self._forget()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._connections.wait(self)
        self._watch_stall()

    def resume_writing(self) -> None:
        """Resume writing."""
        super().resume_writing()
        self._cancel_stall()
        self._note_turn()

    def drop(self) -> None:
        """Close the connection at once; unsent data is lost."""
        self._forget()
        self.connections.discard(self)  # uvicorn would update its own count later
        self.transport.abort()

    def _note_turn(self) -> None:
        """Note who acts next, and start or cancel the deadline for a request head."""
        in_progress = self.cycle is not None and not self.cycle.response_complete
        if in_progress and not self.cycle.more_body and not self._stall:
            self._connections.answer(self)
        else:
            self._connections.wait(self)
        if in_progress:  # body_limits.py limits the time of a body
            self._cancel_deadline()
        elif self._deadline is None:
            self._await_head()

    def _await_head(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(self._limits.head_seconds, self._give_up, unread)

    def _give_up(self, before: int) -> None:
        """Close a connection whose client took too long to send the head of a request."""
        unread = self.transport.get_write_buffer_size()
        if self._stall or unread < before:  # the last reply is still being read
            self._await_head()
        elif self._begun and self.conn.our_state is h11.IDLE and not self.transport.is_closing():
            self._refuse()
            self.transport.close()
            self._deadline = self.loop.call_later(self._limits.head_seconds, self.drop)
        else:
            self.drop()

    def _refuse(self) -> None:
        seconds = self._limits.head_seconds
        message = f"the headers of the request took over {seconds:g} s to arrive"
        reply = Refused(408, "body", message, headers={"Connection": "close"}).reply()
        head = h11.Response(status_code=408, headers=reply.raw_headers, reason=b"Request Timeout")
        for event in (head, h11.Data(data=bytes(reply.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def _watch_stall(self) -> None:
        self._cancel_stall()
        unread = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self._limits.stall_seconds, self._check_stall, unread)

    def _check_stall(self, before: int) -> None:
        """Drop a client that has read nothing since the last check."""
        if self.transport.get_write_buffer_size() < before:
            self._watch_stall()
        else:
            self.drop()

    def _forget(self) -> None:
        self._connections.remove(self)
        self._cancel_deadline()
        self._cancel_stall()

    def _cancel_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _cancel_stall(self) -> None:
        if self._stall:
            self._stall.cancel()
            self._stall = None


def bounded_protocol(limits: Limits) -> Any:
    """Return the connection factory to give to `uvicorn.Config` as `http`."""
    return partial(BoundedConnection, Connections(limits))


def subnet_of(address: str) -> str:
    """Return what identifies a client: its IPv4 address, or its IPv6 subnet."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # a Unix socket has none
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    host_bits = parsed.max_prefixlen - SUBNET_BITS
    return str(IPv6Address(int(parsed) >> host_bits << host_bits))
