"""The server over a collection of a database, which grows while it is served."""

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from e5v import E5V
from e5v.databases.exporting import export
from e5v.databases.store_index import StoreIndex
from e5v.errors import DataError
from e5v.search.index_model import manifest_of
from e5v.search.sync import FolderSync
from e5v.search.writer import writing
from e5v.web.service import Settings
from e5v.web.store_view import StoreCollection
from tests.web.asking import CAT, PHOTOS, asking, data_uri, fault
from tests.web.small import write_small

pytestmark = pytest.mark.anyio


def _index(model: E5V, folder: Path, things: Path) -> None:
    with writing(folder, lambda: manifest_of(model, "toy")) as writer:
        steps: Iterator[object] = FolderSync(writer, lambda: model).follow([str(things)])
        deque(steps)


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests in asyncio, as the server is."""
    return "asyncio"


async def test_a_collection_is_served_as_an_index(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a route that only an index can answer, and one that reads the collection once."""
    monkeypatch.setattr("e5v.web.store_view.FRESH_SECONDS", 0.0)
    model = E5V(write_small(tmp_path / "model"), dtype="float32")
    things, folder, store = tmp_path / "things", tmp_path / "index", postgres.replace("?", "/c?")
    things.mkdir()
    for name in ("cat.jpg", "rocket.jpg"):
        (things / name).write_bytes((PHOTOS / name).read_bytes())
    _index(model, folder, things)
    deque(export(folder, store))
    with closing(StoreIndex.open(store)) as stored:
        collection = StoreCollection(stored, model)
        collection.check()
        async with asking(collection, Settings()) as asker:
            first = (await asker.search(image=data_uri(CAT.read_bytes()))).json()["hits"]
            assert (first[0]["path"], len(first)) == (str(things / "cat.jpg"), 2)
            body = {"like": first[0]["id"], "text": "in the snow", "where": "kind = 'image'"}
            like = (await asker.search(**body)).json()["hits"]
            assert [hit["id"] for hit in like] == [first[1]["id"]]
            assert (await asker.client.get(first[0]["item"])).content == CAT.read_bytes()
            small = await asker.client.get(first[0]["thumbnail"])
            assert small.headers["content-type"] == "image/webp"
            refused = await asker.search(text="a cat", where="nonsense =")
            assert fault(refused) == (422, "fields", None)
            assert fault(await asker.search(like="none")) == (404, "missing", None)
            (things / "notes.txt").write_text("a cat on a table")
            _index(model, folder, things)
            deque(export(folder, store))
            told = (await asker.client.get("/v1/index")).json()
            assert told["kinds"] == {"image": 2, "text": 1}
            assert told["command"] == f"e5v export --to '{store.replace('postgres:@', '')}'"
            points = (await asker.client.get("/v1/map")).json()["points"]
            assert len(points) == 3
            newest = (await asker.client.get("/v1/entries?limit=1")).json()["entries"]
            assert newest[0]["text"] == "a cat on a table"
            assert (await asker.client.get("/v1/examples")).status_code == 200
            steps = export(folder, store, thumbnails=False)
            next(steps)
            next(steps)
            assert fault(await asker.search(text="a cat")) == (503, "failed", None)
            deque(steps)
            assert (await asker.search(text="a cat")).status_code == 200
        collection = StoreCollection(stored, model)
        facts = replace(stored._facts, fingerprint="another")
        monkeypatch.setattr(stored, "_facts", facts)
        with pytest.raises(DataError, match="their vectors cannot be compared"):
            collection.check()
