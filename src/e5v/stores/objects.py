"""Objects by their URL: read, listed, written whole or not at all, created once.

StoreUrl -> client of its bucket -> content, or a change that is there as a whole

Every function is safe to call from several threads.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from e5v.errors import DataError
from e5v.places import NO_OBJECT, ObjectState, StoreUrl
from e5v.stores.clients import open_client, store_errors
from e5v.stores.hub import find_hub_state, list_hub, read_hub_file

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta, PutMode, PutResult, UpdateVersion

PIECE = 8 * 2**20  # bytes of one request for a large object


@dataclass(frozen=True)
class Listing:
    """One level below a place: `objects` with their states, and `folders`, in no order."""

    objects: tuple[StoreUrl, ...]
    folders: tuple[StoreUrl, ...]


def read_object(url: StoreUrl, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes of an object, or those from `start` to before `end`.

    Raises:
        FileNotFoundError: there is no such object.
        DataError: it cannot be read, or has another content than `url.state` says.
    """
    if url.state == NO_OBJECT:
        raise FileNotFoundError(f"{url} does not exist; check the URL")
    if url.scheme == "hf":
        return read_hub_file(url, start, end)
    client = open_client(url)
    import obstore

    options: GetOptions = {}
    if end is not None:
        options["range"] = (start, end)
    elif start:
        options["range"] = {"offset": start}
    if url.state is not None and url.state.tag:
        options["if_match"] = url.state.tag
    with store_errors(url):
        return bytes(obstore.get(client, url.key, options=options).bytes())


def read_current(url: StoreUrl) -> tuple[bytes, ObjectState] | None:
    """Return an object's present bytes and their state; None if there is none.

    Raises:
        DataError: it cannot be read.
    """
    client = open_client(url)
    import obstore

    try:
        with store_errors(url):
            got = obstore.get(client, url.key)
            return bytes(got.bytes()), _state(url, got.meta)
    except FileNotFoundError:
        return None


def find_state(url: StoreUrl) -> ObjectState | None:
    """Return size and tag of an object; None if there is none.

    Raises:
        DataError: the store does not say.
    """
    if url.scheme == "hf":
        return find_hub_state(url)
    client = open_client(url)
    import obstore

    try:
        with store_errors(url):
            return _state(url, obstore.head(client, url.key))
    except FileNotFoundError:
        return None


def pin(url: StoreUrl) -> StoreUrl:
    """Return a URL with its state, so that it is read as it is now or not at all.

    Raises:
        FileNotFoundError: there is no such object.
        DataError: the store does not say.
    """
    state = url.state or find_state(url)
    if state is None:
        raise FileNotFoundError(f"{url} does not exist; check the URL")
    return replace(url, state=state)


def list_level(url: StoreUrl) -> Listing:
    """List the objects and folders right below a place, as one lists a folder.

    Raises:
        DataError: it cannot be listed.
    """
    if url.scheme == "hf":
        return Listing(*map(tuple, list_hub(url)))
    client = open_client(url)
    import obstore

    with store_errors(url, "listed"):
        found = obstore.list_with_delimiter(client, url.key or None)
    objects = (_at(url, one) for one in found["objects"])
    folders = (replace(url, key=key, state=None) for key in found["common_prefixes"])
    return Listing(tuple(one for one in objects if one.key != url.key), tuple(folders))


def list_objects(url: StoreUrl) -> Iterator[StoreUrl]:
    """Yield all objects below a place with their states, in order of key.

    Raises:
        DataError: it cannot be listed.
    """
    client = open_client(url)
    import obstore

    with store_errors(url, "listed"):
        for some in obstore.list(client, url.key or None):
            yield from (_at(url, one) for one in some)


def write_object(url: StoreUrl, content: bytes | IO[bytes]) -> ObjectState:
    """Write an object, or replace it; a large one in pieces. It appears whole, or not at all.

    Raises:
        DataError: it cannot be written.
    """
    client = open_client(url)
    import obstore

    with store_errors(url, "written"):
        put = obstore.put(client, url.key, content, chunk_size=PIECE)
    return _put_state(url, content, put)


def create_object(url: StoreUrl, content: bytes) -> ObjectState | None:
    """Write an object unless it is there; None if it is. Of several writers, the first one writes.

    If the store's answer is lost on the way, this write may be there and None be returned: compare
    the content where that matters.

    Raises:
        DataError: it cannot be written.
    """
    return _write_if(url, content, "create")


def replace_object(url: StoreUrl, content: bytes, expected: ObjectState) -> ObjectState | None:
    """Write an object if it still has the state `expected`; None if it is another, or gone.

    If the store's answer is lost on the way, this write may be there and None be returned.

    Raises:
        DataError: it cannot be written.
    """
    try:
        there: UpdateVersion = {"e_tag": expected.tag}
        if expected.generation is not None:
            there["version"] = expected.generation
        return _write_if(url, content, there)
    except FileNotFoundError:
        return None


def swap_object(url: StoreUrl, content: bytes, expected: ObjectState | None) -> ObjectState | None:
    """Write an object if it has the state `expected`, or for None is not there; None if it cannot.

    If the store's answer was lost on the way, what is there is compared with the content, which
    must be that of one writer alone.

    Raises:
        DataError: it cannot be written; whether it was, is not known.
    """
    if expected is None:
        state = create_object(url, content)
    else:
        state = replace_object(url, content, expected)
    if state is not None:
        return state
    there = read_current(url)
    return there[1] if there is not None and there[0] == content else None


def delete_object(url: StoreUrl) -> None:
    """Delete an object, if it is there.

    Raises:
        DataError: it cannot be deleted.
    """
    client = open_client(url)
    import obstore

    with store_errors(url, "deleted"):
        obstore.delete(client, url.key)


def _write_if(url: StoreUrl, content: bytes, mode: "PutMode") -> ObjectState | None:
    """Write on a condition; None if it does not hold."""
    client = open_client(url)
    import obstore
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    with store_errors(url, "written"):
        try:
            put = obstore.put(client, url.key, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return None
    return _put_state(url, content, put)


def _put_state(url: StoreUrl, content: bytes | IO[bytes], put: "PutResult") -> ObjectState:
    size = len(content) if isinstance(content, bytes) else content.tell()
    if not put["e_tag"]:
        raise DataError(f"{url} is at a store without ETags, which is not supported")
    return ObjectState(size, put["e_tag"], _generation(url, put["version"]))


def _state(url: StoreUrl, found: "ObjectMeta") -> ObjectState:
    return ObjectState(found["size"], found["e_tag"] or "", _generation(url, found["version"]))


def _generation(url: StoreUrl, version: str | None) -> str | None:
    return version if url.scheme == "gs" else None


def _at(url: StoreUrl, found: "ObjectMeta") -> StoreUrl:
    return replace(url, key=found["path"], state=_state(url, found))
