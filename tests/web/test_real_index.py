"""The server over an index that the library wrote, and that grows while it is served."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from e5v import E5V
from e5v.search.gallery import Gallery
from e5v.search.query import facts_of
from e5v.search.writer import writing
from e5v.web.collection import Collection
from tests.web.asking import CAT, PHOTOS, Ask, data_uri, fault

pytestmark = pytest.mark.anyio


def _index(model: E5V, folder: Path, photos: Path) -> None:
    with writing(folder, lambda: facts_of(model, "toy")) as writer:
        steps: Iterator[object] = Gallery(writer, lambda: model).follow([str(photos)])
        for _ in steps:
            pass


async def test_what_is_indexed_is_found(
    ask: Ask, model: E5V, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a server that reads an index otherwise than it is written, or only once."""
    monkeypatch.setattr("e5v.web.collection.FRESH_SECONDS", 0.0)
    photos, folder = tmp_path / "photos", tmp_path / "index"
    photos.mkdir()
    shutil.copy(CAT, photos)
    shutil.copy(PHOTOS / "rocket.jpg", photos)
    async with ask(collection=Collection(folder, model)) as asker:
        assert fault(await asker.search(text="a cat")) == (404, "missing", None)
        _index(model, folder, photos)
        first = (await asker.search(image=data_uri(CAT.read_bytes()))).json()["hits"]
        assert (first[0]["path"], len(first)) == (str(photos / "cat.jpg"), 2)
        assert first[0]["score"] == pytest.approx(1, abs=2e-3)  # float16
        like = (await asker.search(like=first[0]["id"], where="kind = 'image'")).json()["hits"]
        assert [hit["id"] for hit in like] == [hit["id"] for hit in first]
        item = await asker.client.get(first[0]["item"])
        assert item.content == CAT.read_bytes()
        small = await asker.client.get(first[0]["thumbnail"])
        assert small.headers["content-type"] == "image/webp"
        assert fault(await asker.search(text="a cat", where="nonsense =")) == (422, "fields", None)

        (photos / "notes.txt").write_text("a cat on a table")
        _index(model, folder, photos)
        told = (await asker.client.get("/v1/index")).json()
        assert told["kinds"] == {"image": 2, "text": 1}
        points = (await asker.client.get("/v1/map")).json()["points"]
        assert {point["kind"] for point in points} == {"image", "text"}
        assert len(points) == 3
