"""What the hubs of tests share: JSON answers as the hub gives them, and a server on a free port."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class HubHandler(BaseHTTPRequestHandler):
    """Answers as the hub does, and says nothing."""

    def answer(self, record: object, status: int = 200, code: str = "") -> None:
        """Send a record as JSON; `code` is what the hub calls an error."""
        content = json.dumps(record).encode()
        self.begin(status, len(content), code)
        self.wfile.write(content)

    def begin(self, status: int, length: int, code: str = "") -> None:
        """Send the head of an answer of so many bytes."""
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def read_body(self) -> bytes:
        """Return what was sent, whole or in chunks."""
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve_handler(handler: type[HubHandler]) -> Iterator[str]:
    """Run a server, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
