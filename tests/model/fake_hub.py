"""A hub of one's own on this machine: answers about models, refusals, or silence.

answers by model id -> HTTP server on a free port -> its address; every request is written down
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.hub_server import HubHandler, serve_handler


@dataclass(frozen=True)
class Answer:
    """What the hub says of one model: an HTTP status, an error code, and the model's record."""

    status: int = 200
    code: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    gated: bool = False


@dataclass(frozen=True)
class Hub:
    """A running hub."""

    url: str
    asked: list[str]


def record(name: str, files: Mapping[str, int], **more: Any) -> dict[str, Any]:
    """Return a model's record as the hub gives it; `files` are sizes in bytes by name."""
    siblings = [{"rfilename": file, "size": size} for file, size in files.items()]
    return {"id": name, "modelId": name, "sha": "a" * 40, "siblings": siblings, **more}


@contextmanager
def serve(answers: Mapping[str, Answer]) -> Iterator[Hub]:
    """Run a hub; a model without an answer does not exist."""
    asked: list[str] = []

    class Handler(HubHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            path, _, _ = self.path.removeprefix("/api/models/").partition("?")
            missing = Answer(404, "RepoNotFound")
            answer = answers.get(path.removesuffix("/auth-check"), missing)
            status, code = answer.status, answer.code
            if answer.gated and path.endswith("/auth-check"):
                status, code = 403, "GatedRepo"
            self.answer(dict(answer.record), status, code)

    with serve_handler(Handler) as url:
        yield Hub(url, asked)


@contextmanager
def silent() -> Iterator[str]:
    """Give the address of a host that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def refusing() -> str:
    """Return the address of a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
