"""Access: requests need the key and a Host name of this server, and must not be from another site.

request -> Host known -> Origin is ours -> key right -> the app

A page of another site can make a browser send requests to a server on the user's own machine, even
under a name of its own that it resolves to that machine (DNS rebinding): so both the Host and the
origin of a request are checked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from e5v.web.refusals import Reason, Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = {"/livez", "/readyz", "/health", "/healthz"}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ASK_BASIC = {"WWW-Authenticate": 'Basic realm="e5v", charset="UTF-8"'}


@dataclass(frozen=True)
class Door:
    """Which requests are accepted.

    `hosts` are the names that the Host header may have (None: any); `sites` those of other sites
    whose pages may send requests, such as a proxy's.
    """

    key: str | None = field(default=None, repr=False)
    hosts: frozenset[str] | None = None
    sites: frozenset[str] = frozenset()

    def check(self, path: str, headers: Headers) -> None:
        """Check a request.

        Raises:
            Refused: its Host is unknown, it is from another site, or it lacks the key.
        """
        host = host_of(headers.get("host", ""))
        if self.hosts is not None and host not in self.hosts:
            message = f"this server is not {host[:100]!a}; its operator can allow that host name"
            raise Refused(403, "host", message)
        if not self._same_site(headers):
            raise Refused(403, "origin", "a page of another site may not ask this server")
        if self.key and path not in OPEN_PATHS and not self._knows(headers):
            message = "the key is missing or wrong; expected Authorization: Bearer KEY"
            raise Refused(401, "key", message, headers=ASK_BASIC)

    def _same_site(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:
            site = headers.get("sec-fetch-site", "none")
            followed = headers.get("sec-fetch-mode") == "navigate"  # a link, not a page's doing
            return followed or site in {"none", "same-origin"}
        netloc = _netloc(origin)
        return netloc == headers.get("host", "").lower() or host_of(netloc) in self.sites

    def _knows(self, headers: Headers) -> bool:
        assert self.key
        offered = _offered(headers.get("authorization", ""))
        digests = (hashlib.sha256(one).digest() for one in (offered, self.key.encode()))
        return hmac.compare_digest(*digests)


class Guarded:
    """An app behind these checks; `refused` is called for each request that fails one."""

    def __init__(self, app: ASGIApp, door: Door, refused: Callable[[Reason], None]) -> None:
        self._app = app
        self._door = door
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it passes the checks."""
        if scope["type"] == "http":
            try:
                self._door.check(scope["path"], Headers(scope=scope))
            except Refused as refusal:
                self._refused(refusal.reason)
                await refusal.reply()(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_local(host: str) -> bool:
    """Whether only this machine can reach a server at that address."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(netloc: str) -> str:
    """Return the host of `host:port`, lower case, an IPv6 address without its brackets."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    """Return `host:port` of an origin; nothing for one that is opaque."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _offered(authorization: str) -> bytes:
    """Return the key of a request: a bearer token, or the password of any user."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1")  # the bytes as they came
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
