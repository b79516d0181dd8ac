"""Fetch images by URL: from allowed domains only, and never from private addresses.

URL -> Target, parsed once -> domain allowed -> resolved once, every address public -> connection
to a checked address -> bytes, or a redirect, which is checked like the first URL

Resolving a name again after the check could give another address, so the connection goes to an
address that was checked. The request is made from the parsed URL, so that no second parser can read
the URL differently. This is why httpx is not used: its own transport takes no addresses, httpcore's
limits the seconds of each read but not of all, and both would have to be told not to follow
redirects, read proxies from the environment or ask for compressed bodies.

An address is public only if every IPv6 form that leads to an IPv4 address (mapped addresses, NAT64,
6to4 and Teredo) is seen through.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import Timer
from urllib.parse import urljoin, urlsplit

from e5v.model.image_files import UnreadableError

PORTS = {"http": 80, "https": 443}
REDIRECTS = 3
MOVED = {301, 302, 303, 307, 308}
OK = 200
CHUNK = 2**16
ALLOWED_IN_URL = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%"
)
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052; the address behind it is its last 32 bits
UNICAST = IPv6Network("2000::/3")  # global unicast; other IPv6 addresses are local or tunnels


@dataclass(frozen=True)
class Target:
    """The parts of a URL that a request needs."""

    scheme: str
    host: str
    path: str

    @property
    def netloc(self) -> str:
        """The host for URLs and the Host header; the port is always the default."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.netloc}{self.path}"


@dataclass(frozen=True)
class Fetcher:
    """Fetches from `domains`, exact names only; `most` bytes and `seconds` at most."""

    domains: frozenset[str]
    most: int
    seconds: float = 10.0

    def fetch(self, url: str) -> bytes:
        """Return the content at a URL. Blocks: call it on a thread.

        Raises:
            UnreadableError: fetching it is not allowed, or fails.
        """
        deadline = time.monotonic() + self.seconds
        for _ in range(REDIRECTS + 1):
            target = self._check_domain(parse_url(url))
            addresses = resolve_public(target)
            try:
                answer = self._request_once(target, addresses, deadline)
            except (OSError, http.client.HTTPException) as error:
                self._check_time(target, deadline)
                raise UnreadableError(f"{target.host} did not answer: {error!r}") from None
            if isinstance(answer, bytes):
                return answer
            url = answer.url
        raise UnreadableError(f"{target.host} redirects more than {REDIRECTS} times")

    def _check_domain(self, target: Target) -> Target:
        if target.host in self.domains:
            return target
        raise UnreadableError(
            f"its image is at {target.host}, a domain that is not allowed; send the image as a "
            "data URI, or ask the server's operator to allow the domain (allow_domain)"
        )

    def _request_once(
        self, target: Target, addresses: list[str], deadline: float
    ) -> bytes | Target:
        with open_connection(target, addresses, deadline) as connection:
            headers = {"Host": target.netloc, "Accept": "image/*"}
            connection.request("GET", target.path, headers=headers)
            response = connection.getresponse()
            if response.status in MOVED:
                return parse_url(urljoin(target.url, response.getheader("Location", "")))
            if response.status != OK:
                raise UnreadableError(f"{target.host} answers {response.status} for its image")
            content = self._read_content(response, target)
        self._check_time(target, deadline)  # otherwise it may be incomplete
        return content

    def _read_content(self, response: http.client.HTTPResponse, target: Target) -> bytes:
        content = bytearray()
        while chunk := response.read1(CHUNK):
            content += chunk
            if len(content) > self.most:
                raise UnreadableError(f"its image at {target.host} has over {self.most} bytes")
        return bytes(content)

    def _check_time(self, target: Target, deadline: float) -> None:
        if time.monotonic() >= deadline:
            raise UnreadableError(f"{target.host} took over {self.seconds:g} s for its image")


def parse_url(url: str) -> Target:
    """Read a URL.

    Raises:
        UnreadableError: it has another scheme or port, a user, or a character that parsers read
            in different ways (a backslash, a space, a letter beyond ASCII).
    """
    odd = set(url) - ALLOWED_IN_URL
    if odd:
        raise UnreadableError(f"its URL contains {min(odd)!a}; percent-encode it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnreadableError(f"its URL cannot be read: {error}") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise UnreadableError("its URL is not http or https; send the image as a data URI")
    if port not in {None, PORTS[parts.scheme]} or "@" in parts.netloc:
        raise UnreadableError("its URL names a port or a user; expected neither")
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, parts.hostname, f"{parts.path or '/'}{query}")


def resolve_public(target: Target) -> list[str]:
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
        raise UnreadableError(f"{target.host} has an address that is not public; not fetched")
    return addresses


@contextmanager
def open_connection(
    target: Target, addresses: list[str], deadline: float
) -> Iterator[http.client.HTTPConnection]:
    """Connect to the first address that answers; close the connection at the deadline.

    A socket's timeout starts again at every read: a slow trickle of bytes would never reach it.
    """
    connection = http.client.HTTPConnection(target.host, PORTS[target.scheme])
    sock = _connect(addresses, PORTS[target.scheme], deadline)
    sock.settimeout(_seconds_left(deadline))
    if target.scheme == "https":
        sock = ssl.create_default_context().wrap_socket(sock, server_hostname=target.host)
    connection.sock = sock
    end = Timer(_seconds_left(deadline), _shut_down, (sock,))
    end.start()
    try:
        yield connection
    finally:
        end.cancel()
        connection.close()


def _connect(addresses: list[str], port: int, deadline: float) -> socket.socket:
    for place, address in enumerate(addresses[:-1]):
        with suppress(OSError):
            seconds = _seconds_left(deadline) / (len(addresses) - place)  # time for the others
            return socket.create_connection((address, port), seconds)
    return socket.create_connection((addresses[-1], port), _seconds_left(deadline))


def _seconds_left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())


def _shut_down(sock: socket.socket) -> None:
    """Shut a socket down, so that waiting reads return."""
    with suppress(OSError):  # it is closed already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not TLS's: it drops its state


def is_public(address: str) -> bool:
    """Whether an address, as the resolver writes it, is public: neither private nor local."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _unwrap_address(parsed)
    return inner is not None and inner.is_global and not inner.is_multicast


def _unwrap_address(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address | None:
    """Return the address that traffic would reach; None for a tunnel, whose end is unknown."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    tunnelled = address.sixtofour or address.teredo
    return None if tunnelled or address not in UNICAST else address
