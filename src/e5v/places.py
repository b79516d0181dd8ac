"""Tell a place on another machine, such as s3://bucket/x, from a path of this one.

string | path -> StoreUrl of an object store, or nothing; the web is not read as files

What reads stores takes a `StoreUrl`; everything else refuses a URL.
"""

import os
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from e5v.errors import UsageError

URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>\S*)")
STORES = ("s3", "gs", "az", "hf")  # of objects: no text is one word that begins so
STORE = re.compile(
    rf"(?P<scheme>{'|'.join(STORES)}):(?P<slashes>//?)(?P<bucket>[^/]*)(?P<key>(?:/.*)?)",
    re.IGNORECASE | re.DOTALL,
)
SHOWN = 300  # characters of a URL in a message


class ObjectState(NamedTuple):
    """Size of an object in bytes, the store's tag of its content (ETag), and its generation.

    Google's store replaces an object by its generation, the others by its tag.
    """

    size: int
    tag: str
    generation: str | None = None


NO_OBJECT = ObjectState(-1, "")


@dataclass(frozen=True, order=True)
class StoreUrl:
    """A place in an object store: an object, or all objects whose names begin with it and a slash.

    `state` is what a listing said of the object, if it is from one; to read it fails if the store
    has other content by then.
    """

    scheme: str
    bucket: str
    key: str = ""
    state: ObjectState | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """Return the URL, without a slash at its end."""
        return f"{self.scheme}://{self.bucket}/{self.key}".rstrip("/")

    def __truediv__(self, name: str) -> "StoreUrl":
        """Return the place of a name below this one; .. goes up, but never out of the bucket."""
        key = posixpath.normpath(posixpath.join("/", self.key, name)).lstrip("/")
        return StoreUrl(self.scheme, self.bucket, key)

    @property
    def name(self) -> str:
        """The part after the last slash."""
        return posixpath.basename(self.key)

    @property
    def parent(self) -> "StoreUrl":
        """The place that it is in."""
        return StoreUrl(self.scheme, self.bucket, posixpath.dirname(self.key))


@dataclass(frozen=True)
class TarMember:
    """A file in a tar that is not compressed: `size` bytes from `offset`."""

    archive: Path | StoreUrl
    name: str
    offset: int
    size: int

    def __str__(self) -> str:
        """Return what a message calls it, and what stands for it in the output."""
        return f"{self.archive}/{self.name}"


def find_store(value: str | os.PathLike[str]) -> StoreUrl | None:
    """Return the place in an object store that a string or path begins like; otherwise None.

    Ask it where a place is expected: for a string that may be a text, ask `is_url` before. A path
    has kept one slash of two.

    Raises:
        UsageError: it names no bucket.
    """
    found = STORE.fullmatch(os.fspath(value).strip())
    if found is None or (found["slashes"] == "/" and _is_local(value)):
        return None
    scheme = found["scheme"].lower()
    if not found["bucket"]:
        raise UsageError(f"{scheme}:// names no bucket; expected {scheme}://BUCKET/NAME")
    return StoreUrl(scheme, found["bucket"], found["key"].strip("/"))


def _is_local(value: str | os.PathLike[str]) -> bool:
    return isinstance(value, str) or os.path.exists(value)  # noqa: PTH110


def begins_with_url(string: str) -> bool:
    """Return whether a string begins like https:// or s3://; file:// names a file."""
    found = URL.match(string.strip())
    return found is not None and "://" in found[0] and found["scheme"].lower() != "file"


def is_url(string: str) -> bool:
    """Return whether a string is a URL and nothing else."""
    return begins_with_url(string) and len(string.split()) == 1


def is_store(string: str) -> bool:
    """Return whether a string is a place in an object store, and nothing else."""
    return is_url(string) and STORE.fullmatch(string.strip()) is not None


def refuse_url(value: str | Path, name: str, *, argument: str | None = None) -> None:
    """Refuse a URL where a path is expected; a Path has kept one slash of two.

    `name` is what the message calls it, `argument` the Python argument to change.

    Raises:
        UsageError: the value begins like s3:// and is not a path that exists.
    """
    found = URL.match(str(value))
    if found and not Path(value).exists():
        url = f"{found['scheme']}://{found['rest']}"
        raise UsageError(
            f"{name} {url} is a URL, which is not supported; expected a path on this machine",
            argument=argument,
        )


def local_path(value: str | Path, argument: str) -> Path:
    """Return the path that a Python argument names.

    Raises:
        UsageError: it is a URL.
    """
    refuse_url(value, argument, argument=argument)
    return Path(value)
