"""What a client is told when it does not get what it asked for: one line, and why, as JSON.

Refused | E5VError | what FastAPI finds -> {"error": {"message", "type", "code", "index"}}

The shape is OpenAI's, so that its clients show the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from fastapi import Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from e5v.errors import DataError, E5VError, ItemError, ModelError

Reason = Literal[
    "key",  # none, or a wrong one
    "host",  # asked under a name that this server does not go by
    "origin",  # sent by a page of another site
    "body",  # too large, too slow, not JSON
    "fields",  # a field is unknown or out of range
    "item",  # one item cannot be embedded
    "items",  # too many of them
    "busy",  # the queue is full
    "gone",  # the client has left
    "missing",  # no such index, entry or page
    "method",  # not one of the route's
    "failed",  # our fault
]
STATUS: dict[int, Reason] = {404: "missing", 405: "method", 413: "body", 429: "busy"}
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
TYPES |= {429: "rate_limit_error", 500: "server_error", 503: "server_error"}
CLIENT_GONE = 499  # as nginx counts it; nobody is left to read it


class Refused(HTTPException):
    """A request that is not served; `index` is the item at fault, where it is one item's.

    It is an HTTPException because FastAPI passes on no other out of the reading of a body.
    """

    def __init__(
        self,
        status: int,
        reason: Reason,
        message: str,
        *,
        index: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.reason: Reason = reason
        self.message = message
        self.index = index

    def __str__(self) -> str:
        """Return the line that the client is told."""
        return self.message

    def reply(self) -> Response:
        """Return it as a response."""
        error: dict[str, Any] = {
            "message": self.message,
            "type": TYPES.get(self.status_code, "invalid_request_error"),
            "param": None,
            "code": self.reason,
        }
        if self.index is not None:
            error["index"] = self.index
        content = orjson.dumps({"error": error})
        return Response(content, self.status_code, self.headers, "application/json")


def refused_item(index: int, cause: str) -> Refused:
    """Refuse a request for one item of it."""
    return Refused(422, "item", f"item {index}: {cause}", index=index)


def refusal_of(error: Exception) -> Refused:
    """Tell any error as a refusal; what is not the client's fault is told without its inside."""
    match error:
        case Refused():
            refusal = error
        case HTTPException():
            reason = STATUS.get(error.status_code, "body")
            refusal = Refused(error.status_code, reason, str(error.detail), headers=error.headers)
        case RequestValidationError():
            refusal = Refused(*_found(error))
        case ItemError():
            refusal = refused_item(error.position, error.cause)
        case DataError():  # the index's; its message names places of this machine
            refusal = Refused(503, "failed", "the index cannot be read; the server's log says why")
        case ModelError():
            refusal = Refused(500, "failed", str(error))
        case E5VError():
            refusal = Refused(422, "fields", str(error))
        case _:
            refusal = Refused(500, "failed", "the server failed; its log says why")
    return refusal


def _found(error: RequestValidationError) -> tuple[int, Reason, str]:
    """Tell the first of what FastAPI found wrong with a request."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        cause = first.get("ctx", {}).get("error", first["msg"])
        return 400, "body", f"the body is not JSON: {cause}"
    places = [str(place) for place in first["loc"] if place not in {"body", "query", "path"}]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "no such field; /docs says which there are"
    if not places and first["type"] in {"missing", "model_attributes_type"}:
        message = "the body is not an object; expected JSON, and Content-Type: application/json"
    return 422, "fields", ": ".join([*([".".join(places)] if places else []), message])
