"""An object as a file: read in pieces as they are asked for, and no more.

StoreUrl -> its state, once -> requests of ranges, of that state only -> a binary file with seek
"""

import io
from typing import TYPE_CHECKING, BinaryIO

from e5v.places import StoreUrl
from e5v.stores.objects import pin, read_object

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in Python 3.12 of collections.abc

READ_AHEAD = 2**20  # bytes of one request, at least


def open_object(url: StoreUrl, *, read_ahead: int = READ_AHEAD) -> BinaryIO:
    """Open an object for reading; the whole file is of one state, or an error is raised.

    Raises:
        FileNotFoundError: there is no such object.
        DataError: the store does not say.
    """
    return io.BufferedReader(ObjectFile(pin(url)), read_ahead)


class ObjectFile(io.RawIOBase):
    """The bytes of an object, of which each read is one request."""

    def __init__(self, url: StoreUrl) -> None:
        assert url.state is not None  # it is pinned
        self._url, self._size, self._at = url, url.state.size, 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read from anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: "Buffer") -> int:
        """Read bytes from here, as many as there is room for."""
        room = memoryview(buffer).cast("B")
        end = min(self._at + len(room), self._size)
        if end <= self._at:
            return 0
        content = read_object(self._url, self._at, end)
        room[: len(content)] = content
        self._at += len(content)
        return len(content)
