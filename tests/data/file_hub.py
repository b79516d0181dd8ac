"""A hub of data sets on this machine: listings, and files that can be asked for in part.

files by data set -> HTTP server on a free port -> its address; what was sent is written down
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from e5v.data.records import RECORDS, DataSet
from tests.hub_server import HubHandler, serve_handler

COMMIT = "c" * 40
Files = Mapping[str, bytes]  # by name


@dataclass
class Manners:
    """How the hub sends files: in full, unless it is told otherwise.

    It drops the connection after `cut` bytes of a file, `cuts` times; ignores where it is asked to
    begin if not `ranges`; waits `pause` seconds between kilobytes; sends `sent` instead of a file.
    """

    cut: int = 0
    cuts: int = 0
    ranges: bool = True
    pause: float = 0.0
    sent: dict[str, bytes] = field(default_factory=dict)
    commit: str = COMMIT


@dataclass(frozen=True)
class FileHub:
    """A running hub; `asked` are the paths of its requests, `begun` where each file was begun."""

    url: str
    sets: Mapping[str, Files]
    manners: Manners
    asked: list[str] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)


class Handler(HubHandler):
    """Answers as the hub does."""

    protocol_version = "HTTP/1.1"
    hub: FileHub

    def do_GET(self) -> None:
        """Answer a listing, or a file."""
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/datasets/"):
            self.hub.asked.append(path)
            self.give_listing(path.removeprefix("/api/datasets/"))
        elif path.startswith("/datasets/"):
            self.hub.asked.append(path)
            name, _, rest = path.removeprefix("/datasets/").partition("/resolve/")
            self.give_file(name, rest.partition("/")[2])
        else:  # of the client's own
            self.answer({}, 404)

    def give_listing(self, path: str) -> None:
        """List the files of a data set."""
        name, _, revision = path.partition("/revision/")
        commit = self.hub.manners.commit
        if name not in self.hub.sets:
            self.answer({}, 404, "RepoNotFound")
        elif revision not in {"", commit}:
            self.answer({}, 404, "RevisionNotFound")
        else:
            files = [list_file(*item) for item in self.hub.sets[name].items()]
            self.answer({"id": name, "sha": commit, "siblings": files})

    def give_file(self, name: str, file: str) -> None:
        """Send a file from where it is asked for, perhaps not to its end."""
        manners = self.hub.manners
        content = manners.sent.get(file, self.hub.sets[name][file])
        asked_for = self.headers.get("Range", "") if manners.ranges else ""
        first = int(asked_for.removeprefix("bytes=").rstrip("-") or 0)
        self.hub.begun.append(first)
        end = len(content)
        if manners.cuts:
            manners.cuts -= 1
            end = first + manners.cut
            self.close_connection = True
        self.send(206 if asked_for else 200, content[first:], end - first)

    def send(self, status: int, content: bytes, sent: int) -> None:
        """Send the beginning of a file."""
        self.begin(status, len(content))
        for place in range(0, len(content[:sent]), 1_000):
            self.wfile.write(content[:sent][place : place + 1_000])
            time.sleep(self.hub.manners.pause)


@contextmanager
def serve_files(sets: Mapping[str, Files], manners: Manners | None = None) -> Iterator[FileHub]:
    """Run a hub with the files of data sets by id."""

    class Bound(Handler):
        """The handler of this hub."""

    with serve_handler(Bound) as url:
        Bound.hub = FileHub(url, sets, manners or Manners())
        yield Bound.hub


def list_file(name: str, content: bytes) -> dict[str, object]:
    """Return what the hub says of a file; small ones have no checksum."""
    size = len(content)
    large = {"sha256": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 134}
    return {"rfilename": name, "size": size} | ({"lfs": large} if size > 1_000 else {})


def make_small(name: str, rows: Mapping[str, int]) -> DataSet:
    """Return the record of a data set with other rows, and nothing pinned."""
    data = RECORDS[name]
    sources = tuple(replace(one, revision=None, sha256={}) for one in data.sources)
    archives = tuple(replace(one, size=0) for one in data.archives)
    return replace(data, rows=rows, sources=sources, archives=archives)
