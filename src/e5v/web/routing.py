"""What all routes share: JSON bodies read by orjson, with exact error messages; and the service.

request -> headers -> bytes -> UTF-8 -> JSON without duplicate keys -> an object -> route
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers

from e5v.web.errors import Refused, name_type
from e5v.web.service import Service

JSON = "application/json"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # by the first bytes of a body
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
SHOWN = 40  # characters of a sent value that a message repeats


class JsonRequest(Request):
    """A request whose JSON is read by orjson."""

    _content: object = None

    async def json(self) -> object:
        """Read the body as a JSON object.

        Raises:
            Refused: it is something else.
        """
        if self._content is None:
            check_headers(self.headers)
            self._content = read_object(await self.body())
        return self._content


class JsonRoute(APIRoute):
    """A route whose requests are `JsonRequest`s."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            asked = JsonRequest(request.scope, request.receive)
            if "POST" in (self.methods or ()):
                await asked.json()
            return await handler(asked)

        return handle


def check_headers(headers: Headers) -> None:
    """Check that the headers declare uncompressed JSON.

    Browsers send JSON to another site only if that site allows it, but other types always: so the
    type is required.

    Raises:
        Refused: it is compressed, or of another type.
    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise _refuse_compressed(f"Content-Encoding: {coding[:SHOWN]}")
    sent = headers.get("content-type", "")
    kind = sent.partition(";")[0].strip().lower()
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        found = f"Content-Type is {sent[:SHOWN]!a}" if sent else "Content-Type is missing"
        raise Refused(415, "body", f"{found}; expected Content-Type: {JSON}")


def read_object(content: bytes) -> dict[str, object]:
    """Read a JSON object in UTF-8, with or without a byte order mark.

    Raises:
        Refused: it is something else.
    """
    content = content.removeprefix(BYTE_ORDER_MARK)
    if not content.strip():
        raise Refused(400, "body", 'the body is empty; expected JSON, such as {"input": "a dog"}')
    for start, coding in COMPRESSED.items():
        if content.startswith(start):
            raise _refuse_compressed(f"{coding}, without a Content-Encoding")
    try:
        read = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refused(400, "body", _explain_fault(content, error)) from None
    if not isinstance(read, dict):
        raise Refused(422, "fields", f"the body is {name_type(read)}; expected a JSON object")
    _check_keys(content)
    return read


def get_service(request: Request) -> Service:
    """Return the service of an app.

    Raises:
        Refused: it is not ready.
    """
    service: Service | None = getattr(request.app.state, "service", None)
    if service is None:
        raise Refused(503, "failed", "the server is not ready")
    return service


def _refuse_compressed(found: str) -> Refused:
    message = f"the body is compressed ({found}); send it uncompressed"
    return Refused(415, "body", message, headers={"Accept-Encoding": "identity"})


def _explain_fault(content: bytes, error: orjson.JSONDecodeError) -> str:
    """Return why bytes are not JSON."""
    if content.startswith(UTF_16):
        return "the body is UTF-16; expected JSON in UTF-8"
    try:
        text = content.decode()
    except UnicodeDecodeError as wrong:
        place = f"byte 0x{content[wrong.start]:02x} at position {wrong.start}"
        return f"the body is not UTF-8: {place}; expected JSON in UTF-8"
    for name in ("NaN", "Infinity"):
        if text[error.pos :].lstrip("-").startswith(name):
            return f"the body is not JSON: {name} is not a JSON number; send a number or null"
    return f"the body is not JSON: {error}"


def _check_keys(content: bytes) -> None:
    """Refuse duplicate keys: orjson would silently keep the last."""

    def check_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
        read = dict(pairs)
        if len(read) < len(pairs):
            names = [name for name, _ in pairs]
            double = next(name for name in names if names.count(name) > 1)
            raise Refused(400, "body", f"an object has the key {double[:SHOWN]!a} twice")
        return read

    try:
        json.loads(content, object_pairs_hook=check_pairs)
    except (RecursionError, ValueError):  # valid for orjson; such deep nesting is refused later
        return
