"""Access checks: the Host header, the origin, and the API key of a request.

request -> Host allowed -> origin is this site, or an allowed one -> key correct -> the app

A page of another site can make a browser send requests to a server on the user's own machine, also
under its own domain name, resolved to that machine (DNS rebinding). So both the Host and the origin
are checked.
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

from e5v.web.errors import Reason, Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = {"/livez", "/readyz", "/health", "/healthz"}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ASK_BASIC = {"WWW-Authenticate": 'Basic realm="e5v", charset="UTF-8"'}


@dataclass(frozen=True)
class AccessRules:
    """Which requests are accepted.

    `hosts` are the names allowed in the Host header (None: any); `sites` are the host names of
    other sites whose pages may send requests, such as a proxy's. Pages of `origins` may also read
    the replies (`e5v.web.origins`).
    """

    key: str | None = field(default=None, repr=False)
    hosts: frozenset[str] | None = None
    sites: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def check(self, path: str, headers: Headers) -> None:
        """Check a request.

        Raises:
            Refused: its Host is not allowed, it is from another site, or the key is wrong.
        """
        host = parse_host(headers.get("host", ""))
        if self.hosts is not None and host not in self.hosts:
            allow = "the server's operator can allow it (allow_host)"
            message = f"the host {host[:100]!a} is not allowed; {allow}"
            raise Refused(403, "host", message)
        if not self._is_same_site(headers):
            message = "requests from pages of other sites are not allowed"
            raise Refused(403, "origin", message)
        if self.key and path not in OPEN_PATHS and not self._has_key(headers):
            message = "the key is missing or wrong; expected Authorization: Bearer KEY"
            raise Refused(401, "key", message, headers=ASK_BASIC)

    def _is_same_site(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:
            site = headers.get("sec-fetch-site", "none")
            followed = headers.get("sec-fetch-mode") == "navigate"  # the user followed a link
            return followed or site in {"none", "same-origin"}
        if origin in self.origins:
            return True
        netloc = _parse_netloc(origin)
        return netloc == headers.get("host", "").lower() or parse_host(netloc) in self.sites

    def _has_key(self, headers: Headers) -> bool:
        assert self.key
        offered = _read_key(headers.get("authorization", ""))
        digests = (hashlib.sha256(one).digest() for one in (offered, self.key.encode()))
        return hmac.compare_digest(*digests)


class AccessMiddleware:
    """Middleware that makes these checks; calls `refused` for each request that fails one."""

    def __init__(self, app: ASGIApp, rules: AccessRules, refused: Callable[[Reason], None]) -> None:
        self._app = app
        self._rules = rules
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it passes the checks."""
        if scope["type"] == "http":
            try:
                self._rules.check(scope["path"], Headers(scope=scope))
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


def parse_host(netloc: str) -> str:
    """Return the host of `host:port`, lower case, an IPv6 address without its brackets."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _parse_netloc(origin: str) -> str:
    """Return `host:port` of an origin; nothing if it is opaque."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _read_key(authorization: str) -> bytes:
    """Return the key that was sent: a bearer token, or a Basic password with any user name."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1")  # the bytes as sent
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
