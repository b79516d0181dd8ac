"""Files of repositories on the Hugging Face hub, hf://datasets/USER/NAME@REVISION/FILE; only read.

StoreUrl -> huggingface_hub's file system -> content, compared with the digest that was listed

A repository has no conditional reads; what is read whole is compared with the digest of its file.
"""

import hashlib
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from e5v.errors import DataError, first_line
from e5v.places import ObjectState, StoreUrl

if TYPE_CHECKING:
    from huggingface_hub import HfFileSystem

SHA256 = 64  # hexadecimal digits of the digest of a large file; a small one has git's, of 40


@lru_cache(maxsize=1)
def open_hub() -> "HfFileSystem":
    """Return the hub as a file system; its listings are kept while this process runs."""
    from huggingface_hub import HfFileSystem

    return HfFileSystem()


def read_hub_file(url: StoreUrl, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes of a file, or those from `start` to before `end`.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: it cannot be read, or has another content than `url.state` says.
    """
    with hub_errors(url):
        content: bytes = open_hub().cat_file(_path(url), start or None, end)
    whole = not start and end is None
    if whole and url.state is not None and _digest(content, url.state.tag) != url.state.tag:
        raise DataError(f"{url} changed while it was read; run this again")
    return content


def find_hub_state(url: StoreUrl) -> ObjectState | None:
    """Return size and digest of a file; None if there is none.

    Raises:
        DataError: the hub does not say.
    """
    try:
        found = _list(url, posixpath.dirname(_path(url)))
    except FileNotFoundError:
        return None
    listed = (_at(url, one) for one in found if one["type"] == "file")
    return next((one.state for one in listed if one == url), None)


def list_hub(url: StoreUrl) -> tuple[list[StoreUrl], list[StoreUrl]]:
    """Return the files right below a place, and the folders.

    Raises:
        DataError: it cannot be listed.
    """
    try:
        found = _list(url, _path(url))
    except FileNotFoundError:
        return [], []
    files = [_at(url, one) for one in found if one["type"] == "file"]
    return [one for one in files if one != url], [
        replace(_at(url, one), state=None) for one in found if one["type"] == "directory"
    ]


@contextmanager
def hub_errors(url: StoreUrl) -> Iterator[None]:
    """Say in one line what the hub, or the way to it, did not give.

    Raises:
        FileNotFoundError: there is no such file, or no such repository for this user.
        DataError: anything else.
    """
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{url} does not exist; check the URL, and HF_TOKEN") from None
    except DataError:
        raise
    except Exception as error:  # of huggingface_hub, and of the HTTP library under it
        raise DataError(
            f"{url} cannot be read from the hub: {first_line(error)}; check the network, and "
            "HF_TOKEN and HF_ENDPOINT in the environment"
        ) from None


def _list(url: StoreUrl, path: str) -> list[dict[str, Any]]:
    with hub_errors(url):
        found: list[Any] = open_hub().ls(path, detail=True)
    return found


def _path(url: StoreUrl) -> str:
    return f"{url.bucket}/{url.key}".rstrip("/")


def _at(url: StoreUrl, found: dict[str, Any]) -> StoreUrl:
    bucket, _, key = found["name"].partition("/")
    tag = (found.get("lfs") or {}).get("sha256") or found.get("blob_id") or ""
    return replace(url, bucket=bucket, key=key, state=ObjectState(found["size"], tag))


def _digest(content: bytes, tag: str) -> str:
    """Return the digest of a file of the kind that a tag is."""
    if len(tag) == SHA256:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() if tag else tag
