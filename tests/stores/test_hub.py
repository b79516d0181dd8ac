"""Files of the hub, through huggingface_hub's own file system, from a hub on loopback."""

import hashlib
import json
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from huggingface_hub import HfFileSystem, constants

from e5v.errors import DataError, UsageError
from e5v.image_folders import list_stored_images
from e5v.item_lines import ItemLine, read_items
from e5v.left_out import LeftOut
from e5v.places import ObjectState, StoreUrl
from e5v.stores import hub
from e5v.stores.objects import find_state, read_object, write_object
from e5v.stores.reading import open_object
from tests.hub_server import HubHandler, serve_handler

LARGE = b"L" * 5_000
FILES = {
    "items.jsonl": b'{"image": "images/b.png"}\n',
    "images/b.png": LARGE,
    "images/a/c d.png": b"small",
    "images/.hidden.png": b"h",
    "images/note.txt": b"n",
}
ROOT = StoreUrl("hf", "datasets", "user/name")


class Handler(HubHandler):
    """A hub with one data set; a file of more than 1,000 bytes is one of LFS."""

    files: dict[str, bytes]

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Give the facts of the repository, a level of its files, or a file."""
        path = unquote(self.path.partition("?")[0])
        if path.startswith("/api/datasets/user/name/tree/main"):
            self.list_level(path.removeprefix("/api/datasets/user/name/tree/main").strip("/"))
        elif path.startswith("/api/datasets/user/name"):
            self.answer({"id": "user/name", "sha": "0" * 40, "siblings": []})
        elif path.startswith("/datasets/user/name/resolve/main/"):
            self.give(path.removeprefix("/datasets/user/name/resolve/main/"))
        else:
            self.answer({"error": "not found"}, 404, "RepoNotFound")

    def list_level(self, folder: str) -> None:
        """List what is right below a folder."""
        below = folder and f"{folder}/"
        names = [name.removeprefix(below) for name in self.files if name.startswith(below)]
        if not names:
            self.answer({"error": "not found"}, 404, "EntryNotFound")
            return
        heads = dict.fromkeys(name.partition("/")[0] for name in names)
        self.answer([self.describe(below + head, is_file=head in names) for head in heads])

    def describe(self, name: str, *, is_file: bool) -> dict[str, object]:
        """Return what a listing says of a file or a folder."""
        if not is_file:
            return {"type": "directory", "path": name, "oid": "1" * 40, "size": 0}
        content = self.files[name]
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 1}
        facts = {"type": "file", "path": name, "oid": oid, "size": len(content)}
        return facts | ({"lfs": lfs} if len(content) > 1_000 else {})

    def give(self, name: str) -> None:
        """Send a file, or a range of it."""
        if name not in self.files:
            self.answer({"error": "not found"}, 404, "EntryNotFound")
            return
        content, asked = self.files[name], self.headers.get("Range")
        if asked:
            start, _, end = asked.removeprefix("bytes=").partition("-")
            content = content[int(start) : int(end) + 1]
        self.begin(206 if asked else 200, len(content))
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """Run the hub, and give its files, which can be changed."""
    given = dict(FILES)
    handler = type("OneHub", (Handler,), {"files": given})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with serve_handler(handler) as url:
        hub.open_hub.cache_clear()
        system = HfFileSystem(endpoint=url, skip_instance_cache=True)
        monkeypatch.setattr(hub, "open_hub", lambda: system)
        yield given


def test_files_of_a_repository(files: dict[str, bytes]) -> None:
    """Catches another order than that of a folder, another file, and a range of other bytes."""
    left_out = LeftOut()
    found = [*list_stored_images(ROOT / "images", left_out)]
    assert [str(one) for one in found] == [
        "hf://datasets/user/name/images/a/c d.png",
        "hf://datasets/user/name/images/b.png",
    ]
    assert str(left_out) == "1 .txt"
    assert [read_object(one) for one in found] == [b"small", LARGE]
    state = find_state(ROOT / "images/b.png")
    assert state == found[1].state == ObjectState(5_000, hashlib.sha256(LARGE).hexdigest())
    assert find_state(ROOT / "images/none.png") is None
    files["images/b.png"] = bytes(range(250)) * 20
    assert read_object(ROOT / "images/b.png", 260, 265) == bytes(range(10, 15))
    with open_object(ROOT / "items.jsonl") as file:
        assert json.loads(file.read()) == {"image": "images/b.png"}
    [line] = read_items(ROOT / "items.jsonl")
    assert isinstance(line, ItemLine)
    assert line.raw == {"image": ROOT / "images/b.png"}


@pytest.mark.parametrize("name", ["images/b.png", "images/a/c d.png"])
def test_a_file_that_changes(files: dict[str, bytes], name: str) -> None:
    """Catches content of another state than the one that was listed."""
    listed = {one.key: one for one in list_stored_images(ROOT / "images", LeftOut())}
    files[name] = b"S" * len(files[name])
    with pytest.raises(DataError, match="changed while it was read; run this again"):
        read_object(listed[f"user/name/{name}"])


def test_what_the_hub_does_not_give(files: dict[str, bytes]) -> None:
    """Catches a message of many lines, and a hub that is written to."""
    with pytest.raises(FileNotFoundError, match=r"none\.png does not exist; check the URL"):
        read_object(ROOT / "none.png")
    with pytest.raises(FileNotFoundError, match=r"hf://datasets/user/other/x does not exist"):
        read_object(StoreUrl("hf", "datasets", "user/other/x"))
    with pytest.raises(DataError, match=r"hf://x cannot be read from the hub: .*; check the netw"):
        read_object(StoreUrl("hf", "x"))
    with pytest.raises(UsageError, match="x can only be read; name a place at s3, gs, az"):
        write_object(ROOT / "x", b"")
    del files["images/b.png"]
