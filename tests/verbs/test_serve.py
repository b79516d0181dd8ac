"""`e5v serve`: a real process, the real clients, and its end."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import numpy as np
import openai
import pytest

from e5v import E5V
from e5v.cli import main
from e5v.errors import ModelError, UsageError
from e5v.model.streaming import Stream
from e5v.web.serving import accept, listen
from tests.warm_python import replacing
from tests.web.processes import BEARER, KEY, Served, serving


@pytest.fixture(scope="module")
def served(
    folder: str, tmp_path_factory: pytest.TempPathFactory, warm_python: Path
) -> Iterator[Served]:
    """Give a server of the small model, without an index of its own."""
    before = os.environ.get("E5V_INDEX")
    os.environ["E5V_INDEX"] = str(tmp_path_factory.mktemp("none"))
    with replacing(warm_python), serving(folder) as server:
        yield server
    if before is None:
        del os.environ["E5V_INDEX"]
    else:
        os.environ["E5V_INDEX"] = before


def test_the_openai_client_works_unchanged(served: Served, model: E5V) -> None:
    """Catches a reply that OpenAI's own client cannot read, and an error it cannot show."""
    texts = ["a dog in the grass", "a cat", "a dog in the grass"]
    expected = model.encode(texts)
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0) as client:
        reply = client.embeddings.create(model="text-embedding-3-small", input=texts)
        rows = np.array([one.embedding for one in reply.data], np.float32)
        np.testing.assert_allclose(rows, expected, atol=1e-5)
        assert reply.usage.total_tokens > 0
        cut = client.embeddings.create(
            model="any", input=texts[0], dimensions=8, encoding_format="float"
        )
        row = np.array(cut.data[0].embedding, np.float32)
        np.testing.assert_allclose(row, model.encode(texts[:1], dim=8)[0], atol=1e-5)
        (listed,) = client.models.list().data
        assert client.models.retrieve(listed.id).id == listed.id
        with pytest.raises(openai.UnprocessableEntityError, match="item 1: has an empty text"):
            client.embeddings.create(model="any", input=["a", " "])
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError, match="the key is missing or wrong"),
    ):
        stranger.models.list()


def test_a_chunked_body_over_a_real_connection(served: Served) -> None:
    """Catches a limit on bodies that only a test's transport keeps, and a server it brings down."""

    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 2**20

    headers = BEARER | {"content-type": "application/json"}
    with suppress(httpx2.WriteError, httpx2.RemoteProtocolError):  # it may hang up on us
        reply = httpx2.post(f"{served.url}/v1/embeddings", content=endless(), headers=headers)
        assert reply.status_code == 413
    reply = httpx2.post(f"{served.url}/v1/embeddings", json={"input": "a"}, headers=BEARER)
    assert reply.status_code == 200


def test_a_client_that_hangs_up(served: Served) -> None:
    """Catches a closed connection whose items are embedded all the same, before everybody's."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    texts = ", ".join(f'"{"a long sentence " * 50}{place}"' for place in range(300))
    body = f'{{"input": [{texts}]}}'
    head = f"POST /v1/embeddings HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall((head + body).encode())
        time.sleep(0.3)
    deadline = time.monotonic() + 60
    while 'e5v_rejected_total{reason="gone"} 1.0' not in _metrics(served):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "e5v_queued_tokens 0.0" in _metrics(served)


def test_half_requests_lock_nobody_out(served: Served) -> None:
    """Catches 1,100 connections with half a request head that have all others told 503."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    with ExitStack() as connections:
        for _ in range(1_100):
            one = connections.enter_context(socket.create_connection((host, int(port))))
            one.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for path in ("/livez", "/v1/models"):
            assert httpx2.head(served.url + path, headers=BEARER).status_code == 200
        reply = httpx2.post(f"{served.url}/v1/embeddings", json={"input": "a"}, headers=BEARER)
        assert reply.status_code == 200


def _metrics(served: Served) -> str:
    return httpx2.get(f"{served.url}/metrics", headers=BEARER).text


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("warm")
def test_what_is_in_flight_is_finished(folder: str, signum: int) -> None:
    """Catches a reply lost to a restart, an exit code that looks like a crash, and a traceback."""
    with serving(folder) as served:
        replies: list[httpx2.Response] = []

        def ask() -> None:
            texts = [f"number {place} of many" for place in range(1500)]
            body = {"input": texts, "encoding_format": "base64"}
            url = f"{served.url}/v1/embeddings"
            replies.append(httpx2.post(url, json=body, headers=BEARER, timeout=120))

        asking = threading.Thread(target=ask)
        asking.start()
        while "e5v_queued_tokens 0.0" in _metrics(served):
            time.sleep(0.01)
        code = served.end(signum)
        asking.join()
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{served.url}/livez")
    assert code == 0
    assert replies[0].status_code == 200
    assert len(replies[0].json()["data"]) == 1500
    assert "Traceback" not in "".join(served.said)


def test_a_reply_does_not_wait_for_the_network() -> None:
    """Catches replies that take 40 ms more than the model: sent in two pieces, the second held."""
    with listen("127.0.0.1", 0) as listening:
        accept(listening, 1)
        with (
            socket.create_connection(listening.getsockname()),
            listening.accept()[0] as accepted,
        ):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_server_that_is_not_ready_refuses_connections() -> None:
    """Catches a copy whose model is still opened, and requests that wait in its queue."""
    with listen("127.0.0.1", 0) as listening:
        place = listening.getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place)
        with listen(*place) as other:  # both have it, until one accepts
            accept(other, 1)
            with pytest.raises(UsageError, match="is in use; choose another"):
                accept(listening, 1)


def test_who_is_told_what_at_the_start(
    folder: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Catches a port that is taken told as a traceback, and an index named that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--model", folder, "--port", port]) == 2
    assert "is in use; choose another, or 0 for any free one (--port)" in capsys.readouterr().err
    assert main(["serve", "--index", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
    assert main(["serve", "--model", folder, "--host", "no.such.host.invalid"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(SystemExit):
        main(["serve", "--port", "70000"])
    assert "expected 0 to 65535" in capsys.readouterr().err


def test_a_model_that_answers_nothing_is_not_served(
    folder: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a server that says it serves and then fails, and a traceback."""

    def failing(*_: object) -> None:
        raise ModelError("toy gave values that are not finite")

    monkeypatch.setenv("E5V_INDEX", str(tmp_path))
    monkeypatch.setattr(Stream, "vectors", failing)
    assert main(["serve", "--model", folder, "--port", "0"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "e5v: toy gave values that are not finite"
    assert not any("serving" in line for line in said)


def test_a_server_open_to_all_is_warned_of(folder: str) -> None:
    """Catches a server without a key on a network, and nobody told."""
    with serving(folder, "--host", "0.0.0.0", key="") as served:
        url = served.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx2.get(f"{url}/v1/models").status_code == 200
    assert sum("warning" in line for line in served.said) == 1
