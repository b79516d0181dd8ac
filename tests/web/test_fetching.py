"""URLs: from allowed domains, from public addresses, and from the very address that was checked."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest

from e5v import E5V
from e5v.model.image_files import UnreadableError
from e5v.web.fetching import Fetcher, is_public, parse_url
from e5v.web.service import Settings
from tests.web.asking import CAT, Ask, fault, vectors

RESOLVE = socket.getaddrinfo
PUBLIC = "93.184.216.34"
FETCHER = Fetcher(frozenset({"pictures.example", "other.example"}), most=100_000, seconds=2.0)


class Site:
    """A site on this machine that is reached by public addresses; `asked` says what it was."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.connected: list[str] = []
        self.resolved: list[str] = []
        self.addresses: dict[str, list[list[str]]] = {}
        self.pause = 0.0  # seconds after every header

    def resolve(self, host: str, port: int, *options: Any, **named: Any) -> Any:
        """Answer as `socket.getaddrinfo` does; another time, another address."""
        if host == "127.0.0.1" and port not in {80, 443}:
            return RESOLVE(host, port, *options, **named)
        self.resolved.append(host)
        turns = self.addresses.get(host, [[PUBLIC]])
        found = turns.pop(0) if len(turns) > 1 else turns[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run the site; every connection leads to it, and is noted."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(ConnectionError):  # it may hang up on us
                self.answer()

        def answer(self) -> None:
            site.asked.append((self.headers["Host"], self.path))
            status, headers, body = site.answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
                self.flush_headers()
                time.sleep(site.pause)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    before = socket.create_connection

    def connect(address: tuple[str, int], *_: Any) -> socket.socket:
        site.connected.append(address[0])
        return before(server.server_address[:2], 2.0)  # type: ignore[arg-type]

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr(socket, "getaddrinfo", site.resolve)
        monkeypatch.setattr(socket, "create_connection", connect)
        yield site
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (PUBLIC, True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::5db8:d822", True),
        ("127.0.0.1", False),
        ("127.8.9.1", False),
        ("10.0.0.1", False),
        ("172.16.5.4", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:a9fe:a9fe", False),
        ("::127.0.0.1", False),
        ("fec0::1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::1", False),
        ("2002:7f00:1::", False),
        ("2001:0:53aa:64c:0:0:80ff:fffe", False),
        ("localhost", False),
    ],
)
def test_which_addresses_are_public(address: str, *, public: bool) -> None:
    """Catches a private address in one of the forms that hide it."""
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example\\@127.0.0.1/",
        "http://127.0.0.1\\@pictures.example/",
        "http://pictures.example\\.evil.example/",
        "http://evil.example#@pictures.example/",
        "http://pictures.example@evil.example/",
        "http://pictures.example:secret@pictures.example/",
        "http://pictures.example:8080/a",
        "http://pictures.example.evil.example/",
        "http://evilpictures.example/",
        "http://pictures.example./a",
        "http://pictures.example%2eevil.example/",
        "http://p\u0131ctures.example/",
        "http://pictures.example\t.evil.example/",
        "http://[::1]/",
        "http://[pictures.example/",
        "http:///a",
        "http:pictures.example",
        "file:///etc/passwd",
        "ftp://pictures.example/a",
        "gopher://pictures.example/a",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.0.0.1/",
    ],
)
def test_urls_that_lead_elsewhere(site: Site, url: str) -> None:
    """Catches an allowed name that is only a part of the host, as one of two parsers reads it."""
    with pytest.raises(UnreadableError):
        FETCHER.fetch(url)
    assert (site.resolved, site.connected) == ([], [])


def test_what_is_parsed_is_what_is_asked(site: Site) -> None:
    """Catches a request for another host or path than the one that was checked."""
    site.answers["/a%20b?c=d"] = (200, {}, b"here")
    assert FETCHER.fetch("HTTP://Pictures.Example/a%20b?c=d#e") == b"here"
    assert site.asked == [("pictures.example", "/a%20b?c=d")]
    assert parse_url("https://pictures.example").path == "/"


def test_https_names_no_port(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches `Host: name:443`, which signed URLs are not signed for, and IPv6 without brackets."""

    class Context:
        def wrap_socket(self, sock: socket.socket, **_: Any) -> socket.socket:
            return sock

    monkeypatch.setattr(ssl, "create_default_context", Context)
    site.answers["/a"] = (200, {}, b"here")
    assert FETCHER.fetch("https://pictures.example/a") == b"here"
    assert site.asked == [("pictures.example", "/a")]
    assert parse_url("https://[2606:2800::1]/a").url == "https://[2606:2800::1]/a"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::ffff:10.0.0.1"]])
def test_a_name_with_a_private_address(site: Site, addresses: list[str]) -> None:
    """Catches an allowed name that resolves into one's own network, or also does."""
    site.addresses["pictures.example"] = [addresses]
    with pytest.raises(UnreadableError, match="not public"):
        FETCHER.fetch("http://pictures.example/a")
    assert site.connected == []


def test_a_name_that_changes_its_address(site: Site) -> None:
    """Catches a second look-up after the check: what was checked is what is connected to."""
    site.answers["/a"] = (200, {}, b"here")
    site.addresses["pictures.example"] = [[PUBLIC], ["127.0.0.1"]]
    assert FETCHER.fetch("http://pictures.example/a") == b"here"
    assert (site.resolved, site.connected) == (["pictures.example"], [PUBLIC])
    with pytest.raises(UnreadableError, match="not public"):
        FETCHER.fetch("http://pictures.example/a")


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://127.0.0.1/secret", "127.0.0.1"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
        ("//evil.example/a", "evil.example"),
        ("http://other.example/a", "not public"),
        ("file:///etc/passwd", "http"),
        ("/a", "more than 3 times"),
        ("", "more than 3 times"),
    ],
)
def test_every_redirect_is_checked(site: Site, location: str, said: str) -> None:
    """Catches a redirect out of the allowed domains, into one's network, or without an end."""
    site.answers["/a"] = (302, {"Location": location}, b"")
    site.addresses["other.example"] = [["192.168.0.7"]]
    with pytest.raises(UnreadableError, match=said):
        FETCHER.fetch("http://pictures.example/a")
    assert set(site.connected) == {PUBLIC}


def test_a_redirect_between_allowed_domains(site: Site) -> None:
    """Catches a guard that no real site gets through."""
    site.answers["/a"] = (301, {"Location": "http://other.example/b"}, b"")
    site.answers["/b"] = (200, {}, b"here")
    site.addresses["other.example"] = [["1.1.1.1"]]
    assert FETCHER.fetch("http://pictures.example/a") == b"here"
    assert site.connected == [PUBLIC, "1.1.1.1"]


def test_what_is_fetched_is_bounded(site: Site) -> None:
    """Catches an answer without end, and a failure that is taken for a picture."""
    site.answers["/large"] = (200, {}, b"x" * 200_000)
    site.answers["/gone"] = (404, {}, b"not here")
    for path, said in (("/large", "over 100000 bytes"), ("/gone", "answers 404")):
        with pytest.raises(UnreadableError, match=said):
            FETCHER.fetch(f"http://pictures.example{path}")


def test_headers_that_drip_are_given_up(site: Site) -> None:
    """Catches a site that keeps a thread for as long as it likes, a line now and then."""
    site.answers["/a"] = (200, {f"X-{number}": "x" for number in range(60)}, b"here")
    site.pause = 0.05
    start = time.monotonic()
    with pytest.raises(UnreadableError, match=r"took over 0\.3 s"):
        Fetcher(FETCHER.domains, most=100, seconds=0.3).fetch("http://pictures.example/a")
    assert time.monotonic() - start < 2  # of the 3 seconds that the headers take


@pytest.mark.anyio
async def test_an_image_by_url(ask: Ask, model: E5V, site: Site) -> None:
    """Catches a picture fetched though nothing is allowed, and one that is not though it is."""
    site.answers["/cat.jpg"] = (200, {}, CAT.read_bytes())
    part = {"type": "image_url", "image_url": {"url": "http://pictures.example/cat.jpg"}}
    async with ask() as asker:
        refused = await asker.embeddings(input=["a", {"content": [part]}])
    assert fault(refused) == (422, "item", 1)
    assert site.connected == []
    async with ask(Settings(domains=frozenset({"pictures.example"}))) as asker:
        reply = await asker.embeddings(input=["a", {"content": [part]}])
    np.testing.assert_allclose(vectors(reply), model.encode(["a", CAT]), atol=1e-5)
