"""The engine: a server that embeds in our place, by OpenAI's protocol, such as vLLM's.

Prompted -> POST /v1/embeddings, each request tried a few times -> unit rows

Prompts are literal (`e5v.model.literal`): the engine adds nothing to them. No other file speaks
HTTP to an engine.
"""

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any
from weakref import finalize

import httpx
import numpy as np
from numpy.typing import NDArray

from e5v.errors import EngineError, first_line
from e5v.model.encoder import Prompted
from e5v.model.engine_address import EngineAddress
from e5v.vectors import unit

WAITS = (0.2, 1.0, 3.0)  # seconds before each further try
LONGEST = 120.0  # seconds after which no request is tried again
LONGEST_WAIT = 20.0  # seconds before a further try, if a busy engine asks for it
CONNECT_SECONDS = 5.0
TOGETHER = 64  # prompts in one request
REQUESTS = 8  # at the same time
AGAIN = {408, 425, 429}  # statuses that may pass, besides 5xx
NO_KEY = {401, 403}
NO_ROUTE = {404, 405}
FAILED = 500
SHOWN = 300  # characters of the engine's own message


@dataclass(frozen=True)
class ServedModel:
    """A model that an engine serves: its name, and the most tokens of a prompt if it tells."""

    name: str
    max_tokens: int | None


class Engine:
    """A client of one engine; thread-safe.

    Raises:
        EngineError: it cannot be reached, or does not serve the model.
    """

    def __init__(self, address: EngineAddress, template: str, width: int) -> None:
        headers = {"Authorization": f"Bearer {address.key}"} if address.key else {}
        self._address = address
        self._template = template
        self._width = width
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(address.seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=REQUESTS, max_keepalive_connections=REQUESTS),
        )
        self._threads = ThreadPoolExecutor(REQUESTS, thread_name_prefix="e5v-engine")
        finalize(self, self._client.close)
        self.served = self._find_model()

    def embed(self, prompts: Sequence[Prompted]) -> NDArray[np.float32]:
        """Return the unit vectors (n, d) of prompts, in their order.

        Raises:
            EngineError: the engine is away, refuses one of them, or answers something else.
        """
        rows = np.empty((len(prompts), self._width), np.float32)
        texts = [place for place, one in enumerate(prompts) if not one.literal]
        groups = [texts[first : first + TOGETHER] for first in range(0, len(texts), TOGETHER)]
        groups += [[place] for place, one in enumerate(prompts) if one.literal]

        def ask(places: list[int]) -> NDArray[np.float32]:
            return self._embed([prompts[place] for place in places])

        for places, found in zip(groups, self._threads.map(ask, groups), strict=True):
            rows[places] = found
        return rows

    def _embed(self, prompts: Sequence[Prompted]) -> NDArray[np.float32]:
        asked: dict[str, object] = {"model": self.served.name, "encoding_format": "base64"}
        asked["add_special_tokens"] = False
        if prompts[0].literal:
            content = [write_part(part) for part in prompts[0].literal]
            asked["messages"] = [{"role": "user", "content": content}]
            asked["chat_template"] = self._template
        else:
            asked["input"] = [one.ids for one in prompts]
        reply = self._ask("POST", "/embeddings", asked)
        return unit(self._read_rows(reply, len(prompts)))

    def _read_rows(self, reply: Mapping[str, Any], count: int) -> NDArray[np.float32]:
        try:
            data = sorted(reply["data"], key=lambda one: one["index"])
            rows = [_read_row(one["embedding"]) for one in data]
            places = [one["index"] for one in data]
        except (KeyError, TypeError, ValueError) as error:
            raise self._fault(f"answered something else than embeddings ({error!r})") from error
        if places != list(range(count)):
            raise self._fault(f"answered {len(rows)} vectors; expected {count}")
        for row in rows:
            if row.shape != (self._width,):
                raise self._fault(
                    f"has vectors of {row.size} numbers, the model {self._width}: it serves "
                    f"another model than this one, as {self.served.name}"
                )
            if not np.isfinite(row).all() or not row.any():
                raise self._fault("answered a vector that is not finite, or zero")
        return np.stack(rows)

    def _find_model(self) -> ServedModel:
        reply = self._ask("GET", "/models", None)
        try:
            served = [
                ServedModel(str(one["id"]), one.get("max_model_len") or one.get("max_tokens"))
                for one in reply["data"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise self._fault(f"answered something else than its models ({error!r})") from error
        wanted = self._address.model
        found = [one for one in served if wanted in {None, one.name}]
        if len(found) != 1:
            names = ", ".join(one.name for one in served) or "none"
            raise EngineError(
                f"the engine at {self._address.url} serves {names}; "
                + (f"expected {wanted}" if wanted else "name the one to use"),
                argument="engine_model",
            )
        return found[0]

    def _ask(self, method: str, path: str, body: object) -> Mapping[str, Any]:
        """Send a request, again if it may succeed then; return the JSON object of the reply."""
        last = time.monotonic() + LONGEST
        for wait in chain(WAITS, [None]):
            asked_to_wait = 0.0
            try:
                reply = self._client.request(method, self._address.base + path, json=body)
            except httpx.TransportError as error:
                fault = self._fault(f"cannot be reached: {_name(error)}")
            else:
                if reply.status_code < httpx.codes.BAD_REQUEST:
                    return self._read_object(reply)
                fault = self._refusal(reply)
                if reply.status_code not in AGAIN and reply.status_code < FAILED:
                    raise fault
                asked_to_wait = _read_wait(reply)
            if wait is None or time.monotonic() + max(wait, asked_to_wait) > last:
                raise fault
            time.sleep(max(wait, asked_to_wait))
        raise AssertionError

    def _read_object(self, reply: httpx.Response) -> Mapping[str, Any]:
        try:
            read = reply.json()
        except ValueError as error:
            raise self._fault(f"answered something else than JSON ({first_line(error)})") from None
        if not isinstance(read, dict):
            raise self._fault("answered something else than a JSON object")
        return read

    def _refusal(self, reply: httpx.Response) -> EngineError:
        if reply.status_code in NO_KEY:
            return self._fault(f"requires another key ({reply.status_code})")
        if reply.status_code in NO_ROUTE and reply.request.method == "GET":
            return EngineError(
                f"there is no engine at {self._address.url}: it has no {reply.request.url.path} "
                f"({reply.status_code}); expected the URL before /v1, such as http://gpu:8000",
                argument="engine_url",
            )
        told = " ".join(_read_message(reply).split())[:SHOWN]
        return self._fault(f"refuses the request: {reply.status_code} {told}".rstrip())

    def _fault(self, what: str) -> EngineError:
        return EngineError(f"the engine at {self._address.url} {what}")


def _read_wait(reply: httpx.Response) -> float:
    """Return the seconds that a busy engine asks to wait, at most `LONGEST_WAIT`."""
    asked = reply.headers.get("retry-after", "")
    return min(float(asked), LONGEST_WAIT) if asked.isdecimal() else 0.0


def write_part(part: str | bytes) -> dict[str, object]:
    """Return a part of a literal prompt as one of a message, an image as a data URI."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = "png" if part.startswith(b"\x89PNG") else "jpeg"
    uri = f"data:image/{kind};base64,{base64.b64encode(part).decode()}"
    return {"type": "image_url", "image_url": {"url": uri}}


def _read_row(written: object) -> NDArray[np.float32]:
    """Read a vector: base64 of little-endian float32, or a list of numbers."""
    if isinstance(written, str):
        return np.frombuffer(base64.b64decode(written, validate=True), "<f4").astype(np.float32)
    return np.array(written, np.float32)


def _read_message(reply: httpx.Response) -> str:
    """Return the message of a refusal: OpenAI's format, vLLM's older one, FastAPI's, or text."""
    try:
        told = reply.json()
    except ValueError:
        return reply.text
    return next(_find_messages(told), reply.text)


def _find_messages(told: object) -> Iterator[str]:
    if not isinstance(told, dict):
        return
    for key in ("error", "message", "detail"):
        value = told.get(key)
        if isinstance(value, str):
            yield value
        yield from _find_messages(value)


def _name(error: httpx.TransportError) -> str:
    """Name what went wrong with a connection."""
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    return first_line(error)
