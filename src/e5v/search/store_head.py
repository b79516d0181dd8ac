"""What an index on an object store is now: the objects that its commit names.

commit.json <-> Commit; it is replaced by its ETag, so that of two writers one is refused

No other object that readers read is ever written over: its name is random, or a digest of its
content. So the index changes as a whole, when commit.json does, and whoever read that has all the
rest, or is told that it is gone and reads commit.json again.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b, file_digest
from pathlib import Path
from secrets import token_hex

from e5v.errors import DataError
from e5v.places import ObjectState, StoreUrl
from e5v.stores.objects import read_current, swap_object

FILE = "commit.json"
FORMAT = 1
FIRST_ROW = 1
TABLE = "entries.lance/"  # the files of the table keep their names, so that LanceDB can open it;
NAMED_ONCE = tuple(
    f"{TABLE}{part}/" for part in ("data", "_deletions", "_transactions", "_indices")
)
OTHERS = "e5v-files/"  # the others are stored here, by their content


@dataclass(frozen=True)
class StoredFile:
    """A file of the index: its size in bytes, the digest of its content, and its object's name."""

    size: int
    digest: str
    key: str


@dataclass(frozen=True)
class Commit:
    """A state of the index; `state` is that of its commit.json on the store.

    `index` is new whenever the index is made, `number` counts the commits of it, `writer` is the
    token of the lease that may commit next, `next_row` a number that no record ever had, and
    `files` has the files by their path in the folder of an index.
    """

    index: str
    number: int
    writer: str
    next_row: int
    files: Mapping[str, StoredFile]
    state: ObjectState | None = None

    @classmethod
    def first(cls, writer: str) -> "Commit":
        """Return that of an index of which nothing is written yet."""
        return cls(token_hex(16), 0, writer, FIRST_ROW, {})

    def content(self) -> bytes:
        """Return it as JSON."""
        fields = {name: value for name, value in asdict(self).items() if name != "state"}
        return json.dumps({"format": FORMAT, **fields}).encode()


def read_commit(url: StoreUrl) -> Commit | None:
    """Return the present state of the index at a place; None if there is none.

    Raises:
        DataError: it cannot be read.
    """
    found = read_current(url / FILE)
    return None if found is None else _parse(url, *found)


def _parse(url: StoreUrl, content: bytes, state: ObjectState) -> Commit:
    try:
        stored = json.loads(content)
        if stored.pop("format") != FORMAT:
            raise DataError(f"the index at {url} has another format; update e5v", argument="index")
        files = {name: StoredFile(**one) for name, one in stored.pop("files").items()}
        return Commit(**stored, files=files, state=state)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{url / FILE} cannot be read as an index: {error!r}") from None


def write_commit(url: StoreUrl, commit: Commit, before: Commit | None) -> Commit | None:
    """Make a state the present one, if `before` is; return it, or None if another is.

    Raises:
        DataError: the store cannot be written; whether it was, is not known.
    """
    expected = None if before is None else before.state
    state = swap_object(url / FILE, commit.content(), expected)
    return None if state is None else replace(commit, state=state)


def stored_file(name: str, path: Path) -> StoredFile:
    """Return what a commit says of a file that has a name in the folder of an index."""
    with path.open("rb") as file:
        digest = file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()
        size = file.seek(0, 2)
    return StoredFile(size, digest, name if is_named_once(name) else f"{OTHERS}{digest}")


def is_named_once(name: str) -> bool:
    """Return whether a file's name is random and so never given to another content."""
    return name.startswith(NAMED_ONCE)
