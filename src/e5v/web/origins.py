"""Origins of other sites whose pages may ask the server: CORS.

"https://app.example" -> read once, as browsers send it -> answers to preflights, and their headers
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from e5v.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.middleware.cors import CORSMiddleware
    from starlette.types import ASGIApp

PORTS = {"http": 80, "https": 443}


def read_origin(given: str) -> str:
    """Return an origin as browsers send it: lower case, without the scheme's own port.

    Raises:
        UsageError: it is not scheme, host and port alone.
    """
    try:
        url = urlsplit(given.lower())
        host, port = url.hostname or "", url.port
    except ValueError:
        url, host, port = urlsplit(""), "", None
    more = url.path.strip("/") or url.query or url.fragment or url.username or "*" in host
    if url.scheme not in PORTS or not host or more:
        raise UsageError(
            f"--allow-origin is {given}; expected the origin of a page, such as "
            "https://app.example or http://localhost:3000",
            argument="allow_origin",
        )
    host = f"[{host}]" if ":" in host else host
    shown = "" if port in (None, PORTS[url.scheme]) else f":{port}"
    return f"{url.scheme}://{host}{shown}"


def allow_origins(app: ASGIApp, origins: Collection[str]) -> CORSMiddleware:
    """Return middleware that lets browsers pass replies to pages of these origins.

    It answers their preflights, also those for a server on the user's own machine. Browsers send
    none of their own credentials: a page sends the key as a header.
    """
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("*",),  # clients have some of their own, such as x-stainless-lang
        allow_private_network=True,
        expose_headers=("Retry-After",),
    )
