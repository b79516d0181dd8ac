"""The server over an index on an object store, which another machine writes."""

import time
from pathlib import Path

import pytest

import e5v
from e5v import E5V
from e5v.search.locating import open_folder
from e5v.web.index_view import Collection
from tests.store_server import Bucket
from tests.web.asking import CAT, Ask, fault

pytestmark = pytest.mark.anyio
SECONDS = 30.0


async def test_it_follows_the_store(
    ask: Ask, model: E5V, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a server that sees no change, or fails while the store does."""
    monkeypatch.setattr("e5v.web.index_view.FRESH_SECONDS", 0.0)
    url, things = str(bucket.url / "x"), tmp_path / "things"
    things.mkdir()
    (things / "cat.jpg").write_bytes(CAT.read_bytes())

    def write() -> None:
        monkeypatch.setenv("E5V_CACHE", str(tmp_path / "writer"))
        e5v.index(things, index=url, model=model)
        monkeypatch.setenv("E5V_CACHE", str(tmp_path / "server"))

    monkeypatch.setenv("E5V_CACHE", str(tmp_path / "server"))
    collection = Collection(open_folder(url), model)
    collection.check()
    async with ask(collection=collection) as asker:
        assert fault(await asker.search(text="a cat")) == (404, "missing", None)
        write()
        [hit] = await _wait_for(asker, 1)
        assert hit["path"] == str(things / "cat.jpg")
        small = await asker.client.get(hit["thumbnail"])
        assert small.headers["content-type"] == "image/webp"
        told = (await asker.client.get("/v1/index")).json()
        assert f"--index {url}" in told["command"]
        endpoint = "AWS_ENDPOINT_URL"
        with monkeypatch.context() as cut:
            cut.setenv(endpoint, "http://127.0.0.1:9")
            for _ in range(3):
                assert len((await asker.search(text="a cat")).json()["hits"]) == 1
        (things / "note.txt").write_text("a cat on a table")
        write()
        assert len(await _wait_for(asker, 2)) == 2


async def _wait_for(asker: object, count: int) -> list[dict[str, str]]:
    """Search until so many hits are found."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        hits = (await asker.search(text="a cat")).json().get("hits", [])  # type: ignore[attr-defined]
        if len(hits) == count:
            return list(hits)
        time.sleep(0.05)
    raise AssertionError("the server does not see the change")
