"""Images named by URL: fetched from allowed domains only, and from nowhere inside the network.

URL -> Target, parsed once -> domain allowed -> resolved once, every address public -> connection
to that very address -> bytes, or a redirect, which is a URL again

A name that is checked and then resolved again may lead elsewhere the second time; so the address
that was checked is the one that is connected to. What parses the URL also says what is asked for,
so that there are no two parsers to disagree.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Timer
from urllib.parse import urljoin, urlsplit

from e5v.model.image_files import UnreadableError
from e5v.web.addresses import is_public

PORTS = {"http": 80, "https": 443}
REDIRECTS = 3
MOVED = {301, 302, 303, 307, 308}
OK = 200
CHUNK = 2**16
ALLOWED_IN_URL = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%"
)


@dataclass(frozen=True)
class Target:
    """Where a URL leads: nothing but what is sent and connected to."""

    scheme: str
    host: str
    path: str

    @property
    def netloc(self) -> str:
        """The host as a URL and the Host header have it, without the port, which is the usual."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def url(self) -> str:
        """The URL of it."""
        return f"{self.scheme}://{self.netloc}{self.path}"


@dataclass(frozen=True)
class Fetcher:
    """Fetches from `domains`, each meant exactly; `most` bytes and `seconds` in all."""

    domains: frozenset[str]
    most: int
    seconds: float = 10.0

    def fetch(self, url: str) -> bytes:
        """Return what a URL holds; blocks, so call it on a thread.

        Raises:
            UnreadableError: it may not be fetched, or cannot be.
        """
        deadline = time.monotonic() + self.seconds
        for _ in range(REDIRECTS + 1):
            target = self._allowed(parse(url))
            addresses = public_addresses(target)
            try:
                answer = self._ask(target, addresses, deadline)
            except (OSError, http.client.HTTPException) as error:
                self._check_time(target, deadline)
                raise UnreadableError(f"{target.host} did not answer: {error!r}") from None
            if isinstance(answer, bytes):
                return answer
            url = answer.url
        raise UnreadableError(f"{target.host} redirects more than {REDIRECTS} times")

    def _allowed(self, target: Target) -> Target:
        if target.host in self.domains:
            return target
        raise UnreadableError(
            f"its image is at {target.host}, from which nothing is fetched; send the image as a "
            f"data URI, or ask the server's operator to allow the domain {target.host}"
        )

    def _ask(self, target: Target, addresses: list[str], deadline: float) -> bytes | Target:
        with connected(target, addresses, deadline) as connection:
            headers = {"Host": target.netloc, "Accept": "image/*"}
            connection.request("GET", target.path, headers=headers)
            response = connection.getresponse()
            if response.status in MOVED:
                return parse(urljoin(target.url, response.getheader("Location", "")))
            if response.status != OK:
                raise UnreadableError(f"{target.host} answers {response.status} for its image")
            content = self._read(response, target)
        self._check_time(target, deadline)  # else it may have been cut off
        return content

    def _read(self, response: http.client.HTTPResponse, target: Target) -> bytes:
        content = bytearray()
        while chunk := response.read1(CHUNK):
            content += chunk
            if len(content) > self.most:
                raise UnreadableError(f"its image at {target.host} has over {self.most} bytes")
        return bytes(content)

    def _check_time(self, target: Target, deadline: float) -> None:
        if time.monotonic() >= deadline:
            raise UnreadableError(f"{target.host} took over {self.seconds:g} s for its image")


def parse(url: str) -> Target:
    """Read a URL.

    Raises:
        UnreadableError: it is not plain: another scheme or port, a user, or a character that some
            parsers read otherwise than others (a backslash, a space, a letter beyond ASCII).
    """
    odd = set(url) - ALLOWED_IN_URL
    if odd:
        raise UnreadableError(f"its URL holds {min(odd)!a}; expected it percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnreadableError(f"its URL cannot be read: {error}") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise UnreadableError("its URL is not of http or https; send the image as a data URI")
    if port not in {None, PORTS[parts.scheme]} or "@" in parts.netloc:
        raise UnreadableError("its URL names a port or a user; expected neither")
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, parts.hostname, f"{parts.path or '/'}{query}")


def public_addresses(target: Target) -> list[str]:
    """Resolve a host once.

    Raises:
        UnreadableError: it has no address, or one of them is not public.
    """
    try:
        found = socket.getaddrinfo(target.host, PORTS[target.scheme], type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UnreadableError(f"{target.host} has no address") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not all(map(is_public, addresses)):
        raise UnreadableError(f"{target.host} has an address that is not public; nothing is asked")
    return addresses


@contextmanager
def connected(
    target: Target, addresses: list[str], deadline: float
) -> Iterator[http.client.HTTPConnection]:
    """Connect to the first of the addresses that answers, and to no other; at a deadline, end.

    A timeout of a socket is of every wait anew: a line that comes letter by letter outlasts it.
    """
    connection = http.client.HTTPConnection(target.host, PORTS[target.scheme])
    sock = _reach(addresses, PORTS[target.scheme], deadline)
    sock.settimeout(_left(deadline))
    if target.scheme == "https":
        sock = ssl.create_default_context().wrap_socket(sock, server_hostname=target.host)
    connection.sock = sock
    end = Timer(_left(deadline), _end, (sock,))
    end.start()
    try:
        yield connection
    finally:
        end.cancel()
        connection.close()


def _reach(addresses: list[str], port: int, deadline: float) -> socket.socket:
    for place, address in enumerate(addresses[:-1]):
        with suppress(OSError):
            seconds = _left(deadline) / (len(addresses) - place)  # some is for the others
            return socket.create_connection((address, port), seconds)
    return socket.create_connection((addresses[-1], port), _left(deadline))


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())


def _end(sock: socket.socket) -> None:
    """Make reads from a socket return its end."""
    with suppress(OSError):  # it is closed already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # TLS's own drops its state first
