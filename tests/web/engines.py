"""What tests of an engine share: e5v as the engine, on a port, and a proxy that fails as planned.

model -> uvicorn in a thread -> its URL -> a proxy before it
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2

from e5v import E5V
from e5v.web.index_view import Collection
from tests.web.page.browsing import serving


@contextmanager
def engine_of(model: E5V, folder: Path) -> Iterator[str]:
    """Serve a model, and give its URL; `folder` is that of an index, which need not exist."""
    with serving(Collection(folder, model)) as served:
        yield served.url


@dataclass(frozen=True)
class Answer:
    """What a proxy answers in place of the engine; None as its body: it hangs up."""

    status: int = 200
    body: bytes | None = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Proxy:
    """A proxy before an engine; `plan` has what it answers next, and then it passes requests on.

    `refuses` may answer a request by its body, before the plan.
    """

    url: str
    plan: deque[Answer] = field(default_factory=deque)
    refuses: Callable[[bytes], Answer | None] = lambda _: None
    asked: list[str] = field(default_factory=list)


@contextmanager
def proxy_to(engine: str) -> Iterator[Proxy]:
    """Run a proxy before the engine at a URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            proxy.asked.append(self.path)
            answer = proxy.refuses(body)
            if answer is None:
                answer = proxy.plan.popleft() if proxy.plan else self._pass_on(body)
            if answer.body is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def _pass_on(self, body: bytes) -> Answer:
            headers = {"content-type": "application/json"}
            if key := self.headers.get("authorization"):
                headers["authorization"] = key
            url = engine + self.path
            reply = httpx2.request(self.command, url, content=body, headers=headers, timeout=60)
            return Answer(reply.status_code, reply.content)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
