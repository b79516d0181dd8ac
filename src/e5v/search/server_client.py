"""Ask a running server of an index, from another process of the same user.

ServerRecord -> Unix socket, whose other end is this user's -> SearchMessage -> hits | Declined

Nothing slow is imported here. A server that cannot answer is not an error: the one who asks then
searches by itself.
"""

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from e5v.search.entries import Hit
from e5v.search.server_messages import STOP, SearchMessage, read_hits, write_line, write_search
from e5v.search.server_record import ServerRecord

ACCEPT_SECONDS = 2.0  # for a server to say that it will answer; it may be stopped, or overloaded
ANSWER_SECONDS = 300.0  # for a large model and an image on a slow machine
STOP_SECONDS = 90.0  # a server finishes its open requests within 60
PIECE = 1 << 16
SHOWN = 200  # characters of a reply in a message


class Declined(Exception):
    """A server is gone, does not speak this version's language, or does not want to answer."""


def ask_server(record: ServerRecord, message: SearchMessage) -> list[Hit]:
    """Return the hits of a search.

    Raises:
        Declined: there is no answer, for whatever reason.
    """
    try:
        with _connect(record) as connection:
            replies = _read_replies(connection)
            connection.sendall(write_search(message))
            _need_accepted(next(replies))
            connection.settimeout(ANSWER_SECONDS)
            reply = next(replies)
            return read_hits(reply)
    except KeyError:
        raise Declined(str(reply)[:SHOWN]) from None
    except (OSError, ValueError, TypeError) as error:
        raise Declined(str(error)) from error


def stop_server(record: ServerRecord) -> None:
    """End a server and wait until it has.

    Raises:
        Declined: it is gone already, or does not end.
    """
    try:
        with _connect(record) as connection:
            connection.sendall(write_line(STOP))
            _need_accepted(next(_read_replies(connection)))
            connection.settimeout(STOP_SECONDS)
            while connection.recv(PIECE):  # until it closes, at its end
                pass
    except OSError as error:
        raise Declined(str(error)) from error


def is_answering(record: ServerRecord) -> bool:
    """Return whether a server accepts connections."""
    try:
        with _connect(record):
            return True
    except (OSError, Declined):
        return False


@contextmanager
def _connect(record: ServerRecord) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(ACCEPT_SECONDS)
        connection.connect(record.socket)
        if not is_own_peer(connection):
            raise Declined("the server is another user's")
        yield connection


def is_own_peer(connection: socket.socket) -> bool:
    """Return whether the process at the other end is this user's.

    Where the system does not say, the permissions of the socket's folder have decided.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


def _read_replies(connection: socket.socket) -> Iterator[Any]:
    """Yield the lines of a server.

    Raises:
        Declined: it has closed the connection.
    """
    with connection.makefile("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)
    raise Declined("the server has ended")


def _need_accepted(reply: Any) -> None:
    if reply != {"accepted": True}:
        raise Declined(str(reply)[:SHOWN])
