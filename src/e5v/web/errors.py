"""Refusals: error replies as JSON, with one line that says what is wrong.

Refused | E5VError | FastAPI's errors -> {"error": {"message", "type", "code", "index"}}

The shape is OpenAI's, so that its clients format_value the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from fastapi import Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from e5v.errors import DataError, DeviceError, E5VError, EngineError, ItemError, ModelError

Reason = Literal[
    "key",  # missing or wrong
    "host",  # the name in the Host header is not allowed
    "origin",  # sent by a page of another site
    "body",  # too large, too slow, compressed, not JSON
    "fields",  # a field is unknown or out of range
    "item",  # one item cannot be embedded
    "items",  # too many of them
    "busy",  # the queue is full
    "gone",  # the client has disconnected
    "missing",  # no such index, entry, model or path
    "method",  # not supported by the path
    "failed",  # the server's fault
]
PLACES = {"body", "query", "path", "header", "cookie"}  # where FastAPI found a value
SHOWN = 40  # characters of a sent value that a message repeats
WORDINGS = {  # pydantic's wording -> ours
    "be a valid": "a",
    "a integer": "an integer",
    "a dictionary": "an object",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "be ": "",
}
STATUS: dict[int, Reason] = {404: "missing", 405: "method", 413: "body", 429: "busy"}
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
TYPES |= {429: "rate_limit_error", 500: "server_error", 503: "server_error"}
CLIENT_GONE = 499  # as nginx counts it; no client is left to read it


class Refused(HTTPException):
    """A refused request; `index` is the position of the item at fault, if it is one item.

    It is an HTTPException because FastAPI replaces any other that is raised while reading a body.
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
        """Return the message that the client gets."""
        return self.message

    def reply(self) -> Response:
        """Return it as a response."""
        error: dict[str, object] = {
            "message": self.message,
            "type": TYPES.get(self.status_code, "invalid_request_error"),
            "param": None,
            "code": self.reason,
        }
        if self.index is not None:
            error["index"] = self.index
        content = orjson.dumps({"error": error})
        return Response(content, self.status_code, self.headers, "application/json")


def refuse_item(index: int, cause: str) -> Refused:
    """Return the refusal of a request because of one item."""
    return Refused(422, "item", f"item {index}: {cause}", index=index)


def refuse_missing(message: str) -> Refused:
    """Return the refusal of a request for something that does not exist."""
    return Refused(404, "missing", message)


def make_refusal(error: Exception) -> Refused:
    """Turn any error into a refusal; details of the server's own faults stay in its log."""
    match error:
        case Refused():
            refusal = error
        case HTTPException():
            reason = STATUS.get(error.status_code, "body")
            refusal = Refused(error.status_code, reason, str(error.detail), headers=error.headers)
        case RequestValidationError():
            refusal = Refused(422, "fields", describe_fault(error.errors()[0]))
        case ItemError():
            refusal = refuse_item(error.position, error.cause)
        case DataError():  # of the index; the message contains local paths
            refusal = Refused(503, "failed", "the index cannot be read; the server's log says why")
        case EngineError():  # the message contains its address
            refusal = Refused(503, "failed", "the engine cannot be used; the server's log says why")
        case DeviceError():
            refusal = Refused(503, "failed", "a process of the model has ended; restart the server")
        case ModelError():
            refusal = Refused(500, "failed", str(error))
        case E5VError():
            refusal = Refused(422, "fields", str(error))
        case _:
            refusal = Refused(500, "failed", "the server failed; its log says why")
    return refusal


def describe_fault(fault: Mapping[str, Any]) -> str:
    """Describe an invalid field: its name, what was sent, and what was expected.

    `fault` is as pydantic reports it, its location preceded by where FastAPI found the value.
    """
    location = [str(place) for place in fault["loc"]]
    if location and location[0] in PLACES:  # a later one is a field of that name
        location = location[1:]
    field = ".".join(location)[: 2 * SHOWN]
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "value_error":
        joint = " " if message.startswith("is ") else ": "
        return f"{field}{joint}{message}" if field else message
    if fault["type"] == "missing":
        return f"{field} is missing"
    rule, _, expected = message.partition(", unable to ")[0].partition(" should ")
    if not expected:
        return f"{field}: {message}"
    for long, short in WORDINGS.items():
        expected = expected.replace(long, short)
    expected = expected if rule == "Input" else f"it to {expected}"
    return f"{field} is {format_value(fault['input'])}; expected {expected}"


def format_value(value: object) -> str:
    """Format a JSON value for a message: short, and in one line."""
    if isinstance(value, dict | list):
        return name_type(value)
    if isinstance(value, str) and len(value) > SHOWN:
        return f"a string of {len(value)} characters"
    return ascii(value) if isinstance(value, str) else orjson.dumps(value).decode()[:SHOWN]


def name_type(value: object) -> str:
    """Name the kind of a JSON value as JSON does."""
    names = {str: "a string", dict: "an object", list: "a list", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")
