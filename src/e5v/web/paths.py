"""Requests without a route: HEAD, OPTIONS, wrong methods, unknown paths, files of the page.

HEAD -> like GET, without the body
path of a route, other method -> 405 with Allow | OPTIONS -> 204 with Allow
file of the page -> sent | anything else -> 404 with the nearest path
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from e5v.web.errors import Refused, refuse_missing

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Methods = Mapping[str, frozenset[str]]  # by path, which may have {names}
READ = frozenset({"GET"})
NEAR = 0.7  # least similarity of a suggested path
NOT_FOUND, NO_SUCH_METHOD = 404, 405


class HeadAsGetMiddleware:
    """Middleware that answers HEAD like GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                if message.get("more_body"):
                    return
                message = {"type": "http.response.body"}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


class Page:
    """Serves the files of some folders; refuses other requests that no route handles.

    `methods` returns the methods of all routes, by path.
    """

    def __init__(self, folders: Sequence[Path], methods: Callable[[], Methods]) -> None:
        self._files = StaticFiles(directory=folders[0], html=True)
        self._files.all_directories.extend(folders[1:])
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that no route handles.

        Raises:
            Refused: the path is unknown (404), or does not support the method (405).
        """
        path, method = scope["path"], scope["method"]
        allowed = find_methods(path, self._methods())
        if allowed is None and method == "GET":
            try:
                await self._files(scope, receive, send)
            except HTTPException as error:
                if error.status_code != NOT_FOUND:
                    raise
                raise refuse_path(path, self._methods()) from None
            return
        if allowed is None and self._files.lookup_path(self._files.get_path(scope))[1]:
            allowed = READ
        if allowed is None:
            raise refuse_path(path, self._methods())
        names = allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
        headers = {"Allow": ", ".join(sorted(names))}
        if method != "OPTIONS":
            message = f"{path} does not support {method[:20]}; it supports {headers['Allow']}"
            raise Refused(NO_SUCH_METHOD, "method", message, headers=headers)
        await Response(status_code=204, headers=headers)(scope, receive, send)


def find_methods(path: str, methods: Methods) -> frozenset[str] | None:
    """Return the methods of the routes that a path leads to; None if there is no such route."""
    for template, known in methods.items():
        pattern = re.sub(r"\\\{[^{}]*\\\}", ".+", re.escape(template))
        if re.fullmatch(pattern, path, re.DOTALL):
            return known
    return None


def refuse_path(path: str, methods: Methods) -> Refused:
    """Return the refusal of an unknown path, with the nearest path, if any, and all paths."""
    known = sorted(methods)
    shown = path[:80]
    near = [one for one in known if one.endswith(path.rstrip("/")) and path.strip("/")]
    near += get_close_matches(shown.rstrip("/"), known, 1, NEAR)
    suggestion = f" (did you mean {near[0]}?)" if near else ""
    return refuse_missing(f"no path {shown!a}{suggestion}; the paths are {', '.join(known)}")
