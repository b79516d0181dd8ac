"""Several copies of `e5v serve` behind nginx: none of their troubles is a client's."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from e5v import E5V
from e5v import index as make_index
from tests.deploy.copies import NGINX, PATIENCE, is_ready, load, nginx, until
from tests.warm_python import replacing
from tests.web.processes import BEARER, Served, serving

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@dataclass
class Fleet:
    """Two copies over one index, at a link, and nginx before them."""

    url: str
    model: E5V
    index: Path
    ports: tuple[int, int]
    stack: ExitStack
    copies: dict[int, Served] = field(default_factory=dict)

    def start(self, port: int) -> None:
        """Start a copy, and return when it is ready."""
        name = str(self.model.loaded.name)
        copy: AbstractContextManager[Served] = serving(name, "--index", str(self.index), port=port)
        self.copies[port] = self.stack.enter_context(copy)
        until(lambda: is_ready(port))

    def make_index(self, name: str, *texts: str) -> Path:
        """Make an index of texts."""
        folder = self.index.parent / name
        folder.mkdir()
        for place, text in enumerate(texts):
            (folder / f"{place}.txt").write_text(text)
        make_index(folder, index=folder / "index", model=self.model)
        return folder / "index"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        places = [("127.0.0.1", 0)] * count
        sockets = [stack.enter_context(socket.create_server(place)) for place in places]
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def _fleet(model: E5V, folder: Path) -> Iterator[Fleet]:
    first, second, port = _free_ports(3)
    with ExitStack() as stack:
        url = stack.enter_context(nginx(port, (first, second), folder))
        fleet = Fleet(url, model, folder / "current", (first, second), stack)
        fleet.index.symlink_to(fleet.make_index("one", "a dog in the grass", "a cat"))
        with ThreadPoolExecutor() as pool:
            list(pool.map(fleet.start, fleet.ports))
        yield fleet


@pytest.fixture(scope="module")
def model(checkpoints: object, tmp_path_factory: pytest.TempPathFactory) -> E5V:
    """Open the small model of the server's tests."""
    from tests.web.small import write_small

    return E5V(write_small(tmp_path_factory.mktemp("small")), dtype="float32")


@pytest.fixture(scope="module")
def fleet(
    model: E5V, tmp_path_factory: pytest.TempPathFactory, warm_python: Path
) -> Iterator[Fleet]:
    """Run two copies and nginx."""
    with replacing(warm_python), _fleet(model, tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


def _tokens(port: int) -> float:
    """Return how many tokens a copy has embedded."""
    text = httpx2.get(f"http://127.0.0.1:{port}/metrics", headers=BEARER).text
    lines = [line for line in text.splitlines() if line.startswith("e5v_tokens_total")]
    return float(lines[0].split()[1])


def _files(index: Path) -> dict[str, tuple[int, int]]:
    paths = [path for path in index.resolve().rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def test_both_serve_and_write_nothing(fleet: Fleet) -> None:
    """Catches a balancer that asks one copy alone, mixed metrics, and a copy that writes."""
    before, files = [_tokens(port) for port in fleet.ports], _files(fleet.index)
    with load(fleet.url) as seen:
        seen.more()
    assert seen.failed == []
    after = [_tokens(port) for port in fleet.ports]
    assert all(late > early for early, late in zip(before, after, strict=True))
    assert _files(fleet.index) == files
    assert httpx2.get(f"{fleet.url}/metrics", headers=BEARER).status_code == 404
    page = httpx2.get(fleet.url, headers=BEARER | {"Origin": fleet.url})
    assert (page.status_code, "<html" in page.text) == (200, True)


def test_a_copy_that_is_killed(fleet: Fleet) -> None:
    """Catches requests that fail because their copy is gone, and a copy not taken back."""
    port = fleet.ports[0]
    with load(fleet.url) as seen:
        seen.more()
        fleet.copies[port].process.kill()
        fleet.copies[port].process.wait()
        seen.more()
        fleet.start(port)
        before = _tokens(port)
        until(lambda: _tokens(port) > before)
    assert seen.failed == []


def test_a_new_state_of_the_index_and_a_new_index(fleet: Fleet) -> None:
    """Catches a copy that must be started again to see a change, or that fails while it is made."""
    with load(fleet.url) as seen:
        seen.more()
        added = fleet.index.resolve().parent / "added.txt"
        added.write_text("a dog")
        make_index(index=fleet.index, model=fleet.model)
        until(lambda: str(added) in seen.paths or seen.failed)
        other = fleet.make_index("two", "a dog", "a dog in the snow", "dogs")
        link = fleet.index.with_name("next")
        link.symlink_to(other)
        link.rename(fleet.index)
        for port in fleet.ports:  # each reads the link again within a second
            until(lambda port=port: seen.failed or _all_within(_hits(port), other.parent))
        until(lambda: seen.failed or _all_within(seen.paths, other.parent))
    assert seen.failed == []


def _hits(port: int) -> set[str]:
    """Return the paths of the hits of one copy, asked itself."""
    body = {"text": "a dog", "k": 3}
    reply = httpx2.post(f"http://127.0.0.1:{port}/v1/search", json=body, headers=BEARER)
    return {hit["path"] for hit in reply.json()["hits"]}


def _all_within(paths: set[str], folder: Path) -> bool:
    return bool(paths) and all(Path(path).is_relative_to(folder) for path in paths)


def test_copies_are_restarted_one_by_one(fleet: Fleet) -> None:
    """Catches a restart that loses requests, takes for ever, or looks like a crash."""
    with load(fleet.url) as seen:
        for port in fleet.ports:
            seen.more()
            assert fleet.copies[port].end(signal.SIGTERM) == 0
            assert not is_ready(port)
            seen.more()
            fleet.start(port)
        seen.more()
    assert seen.failed == []
    assert not any("Traceback" in line for copy in fleet.copies.values() for line in copy.said)


@pytest.mark.usefixtures("warm")
def test_a_request_that_does_not_end(model: E5V, tmp_path: Path) -> None:
    """Catches a copy that never ends because one of its requests does not."""
    code = (
        "import sys; from e5v.web import serving; serving.FINISH_SECONDS = 1; "
        "from e5v.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    name = str(model.loaded.name)
    command = [sys.executable, "-c", code, "serve", "--model", name, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=None)
    assert process.stderr
    try:
        line = next(line for line in process.stderr if " at http://" in line)
        host, _, port = line.split()[-1].removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as client:
            head = "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
            client.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())
            until(lambda: is_ready(int(port)))
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
