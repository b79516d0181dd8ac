"""A hub of one's own on this machine that takes models: who may write what, and what it got.

HTTP server on a free port -> repositories made, files committed -> Taken
LFS: asked for where to, the content put there by its digest, named in the commit
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.hub_server import HubHandler, serve_handler


@dataclass
class Taken:
    """A running hub: models by id with whether they are private, and files by name.

    `refusal` is the HTTP status of every request that would write; `asked` are all requests. Files
    whose names end in `lfs` are taken by LFS; `stored` are those that came, by their digests; none
    comes if it is `full`.
    """

    url: str = ""
    private: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refusal: int = 0
    lfs: str = ""
    full: bool = False
    stored: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)


class Handler(HubHandler):
    """Answers for one hub."""

    taken: Taken

    def do_GET(self) -> None:
        """Say what there is of a model."""
        self.taken.asked.append(f"GET {self.path}")
        id = self.path.removeprefix("/api/models/").partition("?")[0]
        if id not in self.taken.private:
            self.answer({"error": "not found"}, 404, "RepoNotFound")
            return
        self.answer({"id": id, "modelId": id, "private": self.taken.private[id], "siblings": []})

    def do_POST(self) -> None:
        """Take what is written, or refuse it."""
        content = self.read_body().decode()
        self.taken.asked.append(f"POST {self.path}")
        self.taken.tokens.add(self.headers["Authorization"])
        if self.taken.refusal:
            self.answer({"error": "no"}, self.taken.refusal)
        elif self.path == "/api/repos/create":
            self.create(json.loads(content))
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(content)["files"]]
            self.answer({"files": [self.ask_for(name) for name in names]})
        elif self.path.endswith(".git/info/lfs/objects/batch"):
            self.give_places(json.loads(content))
        elif self.path == "/lfs/verify":
            asked = json.loads(content)
            known = len(self.taken.stored.get(asked["oid"], b"")) == asked["size"]
            self.answer({}, 200 if known else 404)
        else:
            self.commit(content)

    def do_PUT(self) -> None:
        """Take the content of a large file."""
        content = self.read_body()
        self.taken.asked.append(f"PUT {self.path}")
        oid = self.path.rpartition("/")[2]
        if self.taken.full or hashlib.sha256(content).hexdigest() != oid:
            self.answer({"error": "no"}, 507 if self.taken.full else 400)
            return
        self.taken.stored[oid] = content
        self.answer({})

    def ask_for(self, name: str) -> dict[str, object]:
        """Say how a file is to come."""
        large = bool(self.taken.lfs) and name.endswith(self.taken.lfs)
        return {
            "path": name,
            "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False,
        }

    def give_places(self, asked: dict[str, Any]) -> None:
        """Say where large files go; nowhere if they are there."""
        url = self.taken.url
        objects = []
        for one in asked["objects"]:
            upload = {"href": f"{url}/lfs/{one['oid']}"}
            actions = {"upload": upload, "verify": {"href": f"{url}/lfs/verify"}}
            there = one["oid"] in self.taken.stored
            objects.append(one | ({} if there else {"actions": actions}))
        self.answer({"transfer": "basic", "objects": objects})

    def create(self, asked: dict[str, Any]) -> None:
        """Make a model."""
        id = f"{asked['organization']}/{asked['name']}"
        if id in self.taken.private:
            self.answer({"error": "exists", "url": f"{self.taken.url}/{id}"}, 409)
            return
        self.taken.private[id] = asked.get("visibility") == "private"
        self.answer({"url": f"{self.taken.url}/{id}", "id": id})

    def commit(self, content: str) -> None:
        """Take the files of a commit."""
        id = self.path.removeprefix("/api/models/").removesuffix("/commit/main")
        lines = [json.loads(line) for line in content.splitlines()]
        self.taken.files[id] = {
            line["value"]["path"]: self.read(line["key"], line["value"])
            for line in lines
            if line["key"] in {"file", "lfsFile"}
        }
        made = {"commitUrl": f"{self.taken.url}/{id}/commit/{'a' * 40}", "commitOid": "a" * 40}
        self.answer(made)

    def read(self, key: str, file: dict[str, Any]) -> bytes:
        """Return the content of a file in a commit, which may have come before by LFS."""
        if key == "file":
            return base64.b64decode(file["content"])
        content = self.taken.stored[file["oid"]]
        assert len(content) == file["size"]
        return content


@contextmanager
def serve(lfs: str = "") -> Iterator[Taken]:
    """Run a hub that takes models; files whose names end in `lfs` by LFS, if it is given."""
    taken = Taken(lfs=lfs)
    with serve_handler(type("OneHub", (Handler,), {"taken": taken})) as taken.url:
        yield taken
