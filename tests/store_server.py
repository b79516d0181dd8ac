"""A real S3-compatible server for tests, on loopback, and a proxy with the faults of a way.

moto_server in an environment of its own (`make build/moto/.installed`, or $E5V_MOTO) -> Bucket
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from socket import socket
from threading import Lock, Thread
from typing import Literal
from urllib.parse import quote

import pytest

from e5v.places import StoreUrl
from e5v.stores.objects import delete_object, list_objects, read_object, write_object

MOTO = Path(__file__).resolve().parents[1] / "build/moto/bin/moto_server"
STARTS_IN = 60  # seconds
NUMBERS = count()
KEYS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
Kind = Literal["cut", "lose", "busy", "slow", "deny"]


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of its own for a test."""

    name: str

    @property
    def url(self) -> StoreUrl:
        """Its URL."""
        return StoreUrl("s3", self.name)

    def put(self, key: str, content: bytes | Path) -> str:
        """Write an object and return its URL."""
        whole = content.read_bytes() if isinstance(content, Path) else content
        write_object(self.url / key, whole)
        return str(self.url / key)

    def put_folder(self, folder: Path, key: str) -> str:
        """Write all files of a folder and return the URL."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(folder).as_posix()}", path)
        return str(self.url / key)

    def delete(self, key: str) -> None:
        """Delete an object."""
        delete_object(self.url / key)

    def read(self) -> dict[str, bytes]:
        """Return the content of every object, by its key."""
        return {one.key: read_object(one) for one in list_objects(self.url)}


def make_bucket(endpoint: str) -> Bucket:
    """Make a bucket on a server."""
    name = f"bucket-{os.getpid()}-{next(NUMBERS)}"
    address = endpoint.removeprefix("http://")
    connection = HTTPConnection(address, timeout=STARTS_IN)
    connection.request("PUT", f"/{name}", headers={"Host": address})
    assert connection.getresponse().status == 200
    connection.close()
    return Bucket(name)


@contextmanager
def serve_store() -> Iterator[str]:
    """Run the server on a free port, and give its endpoint; skip if it is not installed."""
    program = Path(os.environ.get("E5V_MOTO") or MOTO)
    if not program.is_file():
        pytest.skip(f"no S3 server at {program}: run make build/moto/.installed, or set E5V_MOTO")
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "S3_UPLOAD_PART_MIN_SIZE": "1"},  # small pieces, which are fast
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + STARTS_IN
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), socket() as tried:
            tried.connect(("127.0.0.1", port))
            return
        time.sleep(0.05)
    raise AssertionError("the S3 server did not start")


@dataclass
class Faults:
    """What the proxy does to the next requests, in order; `seen` are all requests so far.

    Writes are passed on one after another: of two that are made on a condition at the same time,
    the server takes both, as no real store does.

    cut: the connection ends after half of the request's body; lose: after the request, before the
    answer; busy: 503; slow: the answer comes in small pieces, with pauses; deny: 403.
    """

    endpoint: str
    waiting: list[tuple[str, Kind, str]] = field(default_factory=list)
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    writing: Lock = field(default_factory=Lock)

    def add(self, kind: Kind, method: str, times: int = 1, *, path: str = "") -> None:
        """Do something to the next requests of a method whose paths have `path`."""
        self.waiting += [(method, kind, path)] * times

    def take(self, method: str, path: str) -> Kind | None:
        """Return what to do to a request now."""
        with self.lock:
            for one in self.waiting:
                if one[0] == method and one[2] in path:
                    self.waiting.remove(one)
                    return one[1]
        return None


@contextmanager
def serve_faults(target: str) -> Iterator[Faults]:
    """Run a proxy before a server."""
    handler = type("Handler", (_Proxy,), {"target": target.removeprefix("http://")})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    faults = Faults(f"http://127.0.0.1:{server.server_port}")
    handler.faults = faults  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: str
    faults: Faults

    def _pass_on(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        kind = self.faults.take(self.command, self.path)
        body = self.rfile.read(size // 2 if kind == "cut" else size)
        if kind in {"busy", "deny"}:
            self._refuse(
                503 if kind == "busy" else 403, "SlowDown" if kind == "busy" else "AccessDenied"
            )
            return
        with self.faults.writing if self.command == "PUT" else nullcontext():
            self._forward(body, kind)
        self.close_connection = kind in {"cut", "lose"}

    def _forward(self, body: bytes, kind: Kind | None) -> None:
        connection = HTTPConnection(self.target, timeout=STARTS_IN)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            if kind != "cut":
                self._answer(connection.getresponse(), kind)
        finally:
            connection.close()

    def _answer(self, got: HTTPResponse, kind: Kind | None) -> None:
        content = got.read()
        self.faults.seen.append((self.command, self.path, len(content)))
        if kind == "lose":
            return
        self.send_response(got.status)
        for name, value in got.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "date", "server"}:
                self.send_header(name, value)
        if got.getheader("Content-Length") is None:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        pieces = 8 if kind == "slow" else 1
        size = -(-len(content) // pieces) or 1
        for start in range(0, len(content), size):
            self.wfile.write(content[start : start + size])
            self.wfile.flush()
            time.sleep(0.02 if kind == "slow" else 0)

    def _refuse(self, status: int, code: str) -> None:
        content = f"<Error><Code>{quote(code)}</Code></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
