"""The server over an index that the library wrote, and that grows while it is served."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from e5v import E5V
from e5v.errors import DataError
from e5v.search.index_model import manifest_of
from e5v.search.manifest import read_manifest, write_manifest
from e5v.search.sync import FolderSync
from e5v.search.writer import writing
from e5v.web.index_view import Collection
from tests.media.made import COLOURS, colour, is_near, write_pdf, write_video
from tests.web.asking import CAT, PHOTOS, Ask, data_uri, fault, vectors

pytestmark = pytest.mark.anyio


def _index(model: E5V, folder: Path, photos: Path) -> None:
    with writing(folder, lambda: manifest_of(model, "toy")) as writer:
        steps: Iterator[object] = FolderSync(writer, lambda: model).follow([str(photos)])
        for _ in steps:
            pass


async def test_what_is_indexed_is_found(
    ask: Ask, model: E5V, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a server that reads an index otherwise than it is written, or only once."""
    monkeypatch.setattr("e5v.web.index_view.FRESH_SECONDS", 0.0)
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
        assert [hit["id"] for hit in like] == [hit["id"] for hit in first[1:]]
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


async def test_like_a_long_line(ask: Ask, model: E5V, tmp_path: Path) -> None:
    """Catches an example of which only the beginning, which the index keeps, is compared."""
    folder, lines = tmp_path / "index", tmp_path / "lines.jsonl"
    long = "a cat " * 250 + "and a rocket " * 100
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("a dog", long)))
    _index(model, folder, lines)
    collection = Collection(folder, model)
    async with ask(collection=collection) as asker:
        (entry,) = collection.index().search(model.encode([{"text": long}])[0], k=1)
        body = {"like": entry.entry.id, "text": "in the snow", "k": 1}
        found = (await asker.search(**body)).json()["hits"][0]
        asked = vectors(await asker.embeddings(input=[[long, "in the snow"]]))[0]
        stored = collection.vector(found["id"])
        assert found["score"] == pytest.approx(float(stored @ asked), abs=1e-4)
        lines.write_text("{}")
        refused = await asker.search(**body)
        assert fault(refused) == (409, "missing", None)
        assert "run e5v index again" in refused.json()["error"]["message"]
        assert (await asker.search(like=body["like"])).status_code == 200


async def test_an_index_that_breaks_goes_and_comes_again(
    ask: Ask,
    model: E5V,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Catches damage told as the client's fault, or with our paths, and a server it outlasts."""
    monkeypatch.setattr("e5v.web.index_view.FRESH_SECONDS", 0.0)
    folder = tmp_path / "index"
    _index(model, folder, CAT)
    collection = Collection(folder, model)
    async with ask(collection=collection) as asker:
        assert (await asker.search(text="a cat")).status_code == 200
        shutil.rmtree(folder / "entries.lance")
        for reply in (await asker.search(text="a cat"), await asker.client.get("/v1/index")):
            assert fault(reply) == (503, "failed", None)
            assert str(folder) not in reply.text
        assert str(folder) in caplog.text
        with pytest.raises(DataError):
            collection.check()
        shutil.rmtree(folder)
        assert (await asker.client.get("/v1/index")).json()["items"] == 0
        assert fault(await asker.search(text="a cat")) == (404, "missing", None)
        assert not folder.exists()
        _index(model, folder, CAT)
        manifest = read_manifest(folder)
        assert len((await asker.search(text="a cat")).json()["hits"]) == 1
        assert manifest
        write_manifest(folder, replace(manifest, fingerprint="another"))
        assert fault(await asker.search(text="a cat")) == (409, "missing", None)


async def test_an_index_at_a_link(
    ask: Ask, model: E5V, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a link that leads elsewhere now, and a server that still reads where it led."""
    monkeypatch.setattr("e5v.web.index_view.FRESH_SECONDS", 0.0)
    link = tmp_path / "current"
    for name in ("cat.jpg", "rocket.jpg"):
        photos = tmp_path / name[:3]
        photos.mkdir()
        shutil.copy(PHOTOS / name, photos)
        _index(model, tmp_path / f"{photos.name}.index", photos)
    link.symlink_to(tmp_path / "cat.index")
    async with ask(collection=Collection(link, model)) as asker:
        for name in ("cat", "roc"):
            (tmp_path / "next").symlink_to(tmp_path / f"{name}.index")
            (tmp_path / "next").rename(link)
            (hit,) = (await asker.search(text="a cat")).json()["hits"]
            assert hit["path"].startswith(str(tmp_path / name))
            assert (await asker.client.get(hit["thumbnail"])).status_code == 200


async def test_pages_and_frames_are_shown_and_their_files_open_at_the_place(
    ask: Ask, model: E5V, tmp_path: Path
) -> None:
    """Catches a page that is not drawn, a link to the first page, and a file nobody indexed."""
    folder, files = tmp_path / "index", tmp_path / "files"
    files.mkdir()
    pdf = write_pdf(files / "report.pdf", "one", "two").read_bytes()
    video = write_video(files / "clip.mp4", seconds=2).read_bytes()
    (files / "notes.txt").write_text("a note")
    _index(model, folder, files)
    async with ask(collection=Collection(folder, model)) as asker:
        listed = (await asker.client.get("/v1/entries")).json()["entries"]
        found = {Path(one["path"]).name: one for one in listed}
        page, frame = found["report.pdf#page=2"], found["clip.mp4#t=1"]
        assert page["file"].endswith("#page=2")
        assert frame["file"].endswith("#t=1")
        assert (found["notes.txt"]["file"], page["text"]) == (None, "two")
        for entry, wanted in ((page, COLOURS[1]), (frame, COLOURS[1])):
            shown = await asker.client.get(entry["item"])
            assert shown.headers["content-type"] == "image/jpeg"
            assert is_near(colour(shown.content), wanted)
        whole = await asker.client.get(page["file"])
        assert (whole.content, whole.headers["content-type"]) == (pdf, "application/pdf")
        assert "media-src 'self'" in whole.headers["content-security-policy"]
        assert whole.headers["x-content-type-options"] == "nosniff"
        part = await asker.client.get(frame["file"], headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, video[10:20])
        text = await asker.client.get(f"/v1/files/{found['notes.txt']['id']}")
        assert fault(text) == (404, "missing", None)
        like = (await asker.search(like=page["id"], text="on paper", k=3)).json()["hits"]
        assert page["id"] not in {hit["id"] for hit in like}

        (files / "report.pdf").write_bytes(b"no pdf")
        assert fault(await asker.client.get(page["item"])) == (404, "missing", None)
        assert fault(await asker.search(like=page["id"], text="x")) == (409, "missing", None)
        (files / "report.pdf").unlink()
        for url in (page["item"], page["file"]):
            assert fault(await asker.client.get(url)) == (404, "missing", None)
