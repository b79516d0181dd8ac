"""A hub of one's own on this machine that takes models: who may write what, and what it got.

HTTP server on a free port -> repositories made, files committed -> Taken
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Taken:
    """A running hub: models by id with whether they are private, and files by name.

    `refusal` is the HTTP status of every request that would write; `asked` are all requests.
    """

    url: str = ""
    private: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refusal: int = 0
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)


class Handler(BaseHTTPRequestHandler):
    """Answers for one hub."""

    taken: Taken

    def do_GET(self) -> None:
        """Say what there is of a model."""
        self.taken.asked.append(f"GET {self.path}")
        id = self.path.removeprefix("/api/models/").partition("?")[0]
        if id not in self.taken.private:
            self.answer({"error": "not found"}, 404, "RepoNotFound")
            return
        self.answer({"id": id, "modelId": id, "private": self.taken.private[id], "siblings": []})

    def do_POST(self) -> None:
        """Take what is written, or refuse it."""
        content = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.taken.asked.append(f"POST {self.path}")
        self.taken.tokens.add(self.headers["Authorization"])
        if self.taken.refusal:
            self.answer({"error": "no"}, self.taken.refusal)
        elif self.path == "/api/repos/create":
            self.create(json.loads(content))
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(content)["files"]]
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer({"files": [{"path": name, **plain} for name in names]})
        else:
            self.commit(content)

    def create(self, asked: dict[str, Any]) -> None:
        """Make a model."""
        id = f"{asked['organization']}/{asked['name']}"
        if id in self.taken.private:
            self.answer({"error": "exists", "url": f"{self.taken.url}/{id}"}, 409)
            return
        self.taken.private[id] = asked.get("visibility") == "private"
        self.answer({"url": f"{self.taken.url}/{id}", "id": id})

    def commit(self, content: str) -> None:
        """Take the files of a commit."""
        id = self.path.removeprefix("/api/models/").removesuffix("/commit/main")
        lines = [json.loads(line) for line in content.splitlines()]
        files = [line["value"] for line in lines if line["key"] == "file"]
        self.taken.files[id] = {file["path"]: base64.b64decode(file["content"]) for file in files}
        made = {"commitUrl": f"{self.taken.url}/{id}/commit/{'a' * 40}", "commitOid": "a" * 40}
        self.answer(made)

    def answer(self, record: object, status: int = 200, code: str = "") -> None:
        """Send a record as JSON."""
        content = json.dumps(record).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve() -> Iterator[Taken]:
    """Run a hub that takes models."""
    taken = Taken()
    handler = type("OneHub", (Handler,), {"taken": taken})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    taken.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
