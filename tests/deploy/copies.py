"""What tests of several copies share: nginx before them with our own configuration, and a load.

deploy/nginx.conf -> ports of loopback in place of names -> nginx -> threads that ask all the time
"""

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.web.processes import BEARER

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CLIENTS = 3
PAUSE = 0.05  # seconds between two requests of a client: the copies have work of their own
PATIENCE = 600  # seconds; other work may hold the machine
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/embeddings", {"input": ["a dog", "a cat"]}),
    ("/v1/search", {"text": "a dog", "k": 3}),
)


def render(port: int, copies: Sequence[int], folder: Path) -> str:
    """Return deploy/nginx.conf for ports of loopback and a folder in place of /tmp."""
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    names = re.findall(r"server (\S+:8000)", text)
    assert len(names) == len(copies)
    for name, copy in zip(names, copies, strict=True):
        text = text.replace(name, f"127.0.0.1:{copy}")
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    assert f":{port};" in text
    text = text.replace("worker_processes auto;", "worker_processes 1;")
    return text.replace("/tmp/", f"{folder}/")


@contextmanager
def nginx(port: int, copies: Sequence[int], folder: Path) -> Iterator[str]:
    """Run nginx on a port before copies, and give its URL."""
    assert NGINX
    config = folder / "nginx.conf"
    config.write_text(render(port, copies, folder), encoding="utf-8")
    command = [NGINX, "-p", str(folder), "-c", str(config), "-g", "daemon off;"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    errors = process.stderr
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(errors))
    reader.start()
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(f"{url}/metrics") or process.poll() is not None)
        assert process.poll() is None, said
        yield url
    finally:
        process.terminate()  # its workers end with it
        process.wait(PATIENCE)
        reader.join()
        errors.close()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url).status_code > 0
    except httpx2.TransportError:
        return False


def is_ready(port: int) -> bool:
    """Return whether a copy is ready."""
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False


def until(holds: Any) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass
class Load:
    """What clients got: how many replies, and each that was not as it should be."""

    replies: int = 0
    failed: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)  # of the latest hits

    def more(self, count: int = 20) -> None:
        """Wait for more replies."""
        wanted = self.replies + count
        until(lambda: self.replies >= wanted or self.failed)


@contextmanager
def load(url: str) -> Iterator[Load]:
    """Ask all the time, from a few clients, until the block ends."""
    seen, over = Load(), threading.Event()

    def ask(place: int) -> None:
        with httpx2.Client(base_url=url, headers=BEARER, timeout=PATIENCE) as client:
            while not over.wait(PAUSE):
                path, body = ASKED[place % len(ASKED)]
                place += 1
                try:
                    reply = client.post(path, json=body)
                except httpx2.TransportError as error:
                    seen.failed.append(repr(error))
                    continue
                seen.replies += 1
                if reply.status_code != httpx2.codes.OK:
                    seen.failed.append(f"{path} {reply.status_code} {reply.text}")
                elif path == "/v1/search":
                    seen.paths = {hit["path"] for hit in reply.json()["hits"]}

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()
