"""`/v1/search` and what the page shows of an index."""

import unicodedata
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from pydantic import BaseModel

from e5v import E5V
from e5v.errors import DataError
from e5v.search.query import Query, embed_query, find
from e5v.web.admission import Limits
from e5v.web.embedding import ItemEmbedder
from e5v.web.fetching import Fetcher
from e5v.web.index_view import Collection
from e5v.web.reply_schemas import IndexReply, LabelsReply, MapReply, SearchReply
from e5v.web.service import Settings
from tests.web.asking import CAT, Ask, data_uri, fault
from tests.web.shelf import THUMBNAIL, Shelf
from tests.work import count_work

pytestmark = pytest.mark.anyio

CAT_ID, TEXT_ID = "cat.jpg#0/1", "a cat on a table"  # an id may hold anything


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"text": "a cat"}, Query("a cat")),
        ({"image": data_uri(CAT.read_bytes())}, Query(image=CAT)),
        ({"text": "as a dog", "image": data_uri(CAT.read_bytes())}, Query("as a dog", CAT)),
        ({"text": "a cat", "without": "a dog"}, Query("a cat", without="a dog")),
        ({"text": "as a dog", "like": CAT_ID}, Query("as a dog", CAT)),
        ({"text": "a cat", "without": "", "image": None, "like": ""}, Query("a cat")),
    ],
)
async def test_a_search_is_the_librarys(
    ask: Ask, model: E5V, shelf: Shelf, body: dict[str, Any], query: Query
) -> None:
    """Catches a query that is another vector over HTTP than in the shell."""
    async with ask() as asker:
        reply = (await asker.search(**body)).json()
    index: Any = shelf
    expected = find(index, embed_query(model, query), k=24)
    assert [hit["id"] for hit in reply["hits"]] == [hit.entry.id for hit in expected]
    scores = [hit["score"] for hit in reply["hits"]]
    np.testing.assert_allclose(scores, [hit.score for hit in expected], atol=1e-5)
    assert reply["took_ms"] > 0
    if query.without is None:
        item = [part for part in (query.image, query.text) if part is not None]
        said = model.words(item, 8)
        assert [one["word"] for one in reply["words"]] == [one.word for one in said]
        shares = [one["share"] for one in reply["words"]]
        np.testing.assert_allclose(shares, [one.probability for one in said], atol=1e-3)


async def test_a_composed_query_embeds_its_example_once(
    ask: Ask, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an image that is fetched, decoded or seen again to know its copies among the hits."""
    calls, fetched = list[int](), list[str]()
    embed = ItemEmbedder.embed

    async def count_embed(self: ItemEmbedder, items: Any, *given: Any) -> Any:
        calls.append(len(items))
        return await embed(self, items, *given)

    def fetch(self: Fetcher, url: str) -> bytes:
        fetched.append(url)
        return CAT.read_bytes()

    monkeypatch.setattr(ItemEmbedder, "embed", count_embed)
    monkeypatch.setattr(Fetcher, "fetch", fetch)
    async with ask() as asker:
        for image in (data_uri(CAT.read_bytes()), "https://pictures.example/cat.jpg"):
            calls.clear()
            done = count_work(monkeypatch)
            reply = await asker.search(text="as a rocket", image=image, without="a dog")
            assert reply.status_code == 200
            assert calls == [3]
            assert done == {"decoded": 1, "seen": 1, "passes": 1, "items": 3}
    assert len(fetched) == 1


async def test_more_like_this(ask: Ask, model: E5V, shelf: Shelf) -> None:
    """Catches an example that is embedded anew, or that is an answer to itself."""
    async with ask() as asker:
        embedded = await asker.count("e5v_items_total")
        reply = (await asker.search(like=CAT_ID)).json()
        assert await asker.count("e5v_items_total") == embedded
        nearest = (await asker.search(like=CAT_ID, k=1)).json()
        apart = (await asker.search(like=CAT_ID, without="a rocket")).json()
        nobody = await asker.search(like="nobody")
        text = (await asker.search(like=TEXT_ID, text="a dog")).json()
    scores = shelf.rows @ shelf.rows[0]  # the cat is the first
    others = {one.id for one in shelf.shelved} - {CAT_ID}
    best = shelf.shelved[1 + int(np.argmax(scores[1:]))].id
    assert {hit["id"] for hit in reply["hits"]} == others
    assert reply["hits"][0]["score"] == pytest.approx(scores[1:].max(), abs=1e-5)
    assert [hit["id"] for hit in nearest["hits"]] == [best] == [reply["hits"][0]["id"]]
    assert [one["word"] for one in reply["words"]] == [one.word for one in model.words(CAT, 8)]
    assert {hit["id"] for hit in apart["hits"]} == others
    assert fault(nobody) == (404, "missing", None)
    assert {hit["id"] for hit in text["hits"]} == {one.id for one in shelf.shelved} - {TEXT_ID}


async def test_replies_are_as_described(ask: Ask, shelf: Shelf) -> None:
    """Catches a field that /docs does not describe, or describes and nobody gets."""
    async with ask() as asker:
        replies: list[tuple[type[BaseModel], httpx2.Response]] = [
            (SearchReply, await asker.search(text="a cat")),
            (MapReply, await asker.client.get("/v1/map")),
            (LabelsReply, await asker.client.get("/v1/labels")),
            (IndexReply, await asker.client.get("/v1/index")),
        ]
    for shape, reply in replies:
        read = shape.model_validate(reply.json(), strict=True, extra="forbid")
        assert read.model_dump(exclude_unset=True) == reply.json()


async def test_both_spellings_of_accents_find_the_same(ask: Ask, shelf: Shelf) -> None:
    """Catches a query from a Mac, whose accents are characters of their own, that finds others."""
    words = {form: unicodedata.normalize(form, "un café à Zürich") for form in ("NFC", "NFD")}
    assert words["NFC"] != words["NFD"]
    async with ask() as asker:
        replies = [
            (await asker.search(**{"text": "a cat", field: one})).json()["hits"]
            for field in ("text", "without")
            for one in words.values()
        ]
    assert replies[0] == replies[1]
    assert replies[2] == replies[3]


async def test_what_a_hit_tells(ask: Ask, shelf: Shelf) -> None:
    """Catches a field that the page reads and does not get, and a link that leads nowhere."""
    async with ask() as asker:
        hits = (await asker.search(text="a cat", k=5)).json()["hits"]
        keys = {"id", "score", "path", "kind", "text", "part", "width", "height"}
        keys |= {"match", "date", "thumbnail", "item", "file"}
        keys |= {"taken", "camera", "latitude", "longitude"}
        assert all(hit.keys() == keys for hit in hits)
        by_id = {hit["id"]: hit for hit in hits}
        cat, text = by_id[CAT_ID], by_id[TEXT_ID]
        small = await asker.client.get(cat["thumbnail"])
        assert (small.headers["content-type"], small.content) == ("image/webp", THUMBNAIL)
        large = await asker.client.get(cat["item"])
        assert (large.headers["content-type"], large.content) == ("image/jpeg", CAT.read_bytes())
        said = await asker.client.get(text["item"])
        assert (said.headers["content-type"], said.text) == ("text/plain; charset=utf-8", TEXT_ID)
        assert text["thumbnail"] is None
        assert fault(await asker.client.get("/v1/thumbnails/a%20rocket"))[0] == 404


async def test_limits_of_a_search(ask: Ask, shelf: Shelf) -> None:
    """Catches an option that is read and not passed on."""
    async with ask(Settings(Limits(hits=100))) as asker:
        assert len((await asker.search(text="a cat", k=2)).json()["hits"]) == 2
        filtered = (await asker.search(text="a cat", where="kind = 'image'")).json()["hits"]
        assert {hit["kind"] for hit in filtered} == {"image"}
        assert (await asker.search(text="a cat", min_score=2)).json()["hits"] == []
        for body, said in (
            ({"text": "a cat", "where": "nonsense"}, "nonsense"),
            ({"text": "a cat", "where": "a" * 1001}, "where"),
            ({"text": "a cat", "k": 0}, "k"),
            ({"text": "a cat", "k": 101}, "at most 100"),
            ({"text": "a cat", "top": 3}, "unknown field 'top'"),
            ({"text": " "}, "nothing to search for"),
            ({"without": "a cat"}, "nothing to search for"),
            ({"image": "x", "like": CAT_ID}, "one of them"),
            ({"text": "a cat", "without": "a cat"}, "the same"),
        ):
            reply = await asker.search(**body)
            assert fault(reply) == (422, "fields", None)
            assert said in reply.json()["error"]["message"]
        assert fault(await asker.search(image="/etc/passwd")) == (422, "item", 0)


async def test_the_index_is_told(ask: Ask, model: E5V, shelf: Shelf) -> None:
    """Catches counts of another index, and what is written while the server runs and not seen."""
    async with ask() as asker:
        before = (await asker.client.get("/v1/index")).json()
        points = (await asker.client.get("/v1/map")).json()["points"]
    assert before["items"] == 5
    assert before["kinds"] == {"image": 3, "text": 2}
    assert before.keys() == {"items", "kinds", "model", "notice", "command"}
    assert [point["id"] for point in points] == [one.id for one in shelf.shelved]
    entry = {"id", "kind", "text", "path", "part", "date", "width", "height", "thumbnail", "item"}
    entry |= {"file", "taken", "camera", "latitude", "longitude"}
    assert points[0].keys() == entry | {"x", "y"}
    assert all(0 <= point[axis] <= 1 for point in points for axis in "xy")


async def test_the_map_follows_the_index(
    model: E5V, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a map of what the index was, and one that is drawn for every look."""
    monkeypatch.setattr("e5v.web.index_view.FRESH_SECONDS", 0.0)
    collection = Collection(tmp_path, model)
    first = collection.map()
    assert collection.map() is first
    shelf.shelved, shelf.rows, shelf.version = shelf.shelved[:4], shelf.rows[:4], 1
    assert len(collection.map()) == 4


async def test_a_map_that_is_drawn_while_the_index_grows(
    model: E5V, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a map of what the index was that is kept as one of what it is."""
    monkeypatch.setattr("e5v.web.index_view.FRESH_SECONDS", 0.0)
    collection = Collection(tmp_path, model)
    every, shelf.shelved = shelf.shelved, shelf.shelved[:4]
    before = shelf.vectors

    def growing(limit: int | None = None) -> Any:
        found = before(limit)
        shelf.shelved, shelf.version = every, 1
        collection.index()  # another request sees it, and asks for no map
        return found[0], found[1][: len(found[0])]

    monkeypatch.setattr(shelf, "vectors", growing)
    assert [len(collection.map()) for _ in range(2)] == [4, 5]


async def test_a_look_that_finds_nothing_new_is_a_look(
    model: E5V, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an index that is opened again for every thumbnail, a second after its last change."""
    looks: list[bool] = []

    def refresh() -> bool:
        looks.append(False)
        return False

    monkeypatch.setattr(shelf, "refresh", refresh)
    collection = Collection(tmp_path, model)
    collection.index()
    collection._refreshed -= 2
    for _ in range(5):
        collection.index()
    assert len(looks) == 1


async def test_without_an_index(ask: Ask, model: E5V, tmp_path: Path) -> None:
    """Catches a server without an index that fails, or that never sees the one made later."""
    collection = Collection(tmp_path, model)
    async with ask(collection=collection) as asker:
        told = (await asker.client.get("/v1/index")).json()
        assert (told["items"], told["kinds"]) == (0, {"image": 0, "text": 0})
        for reply in (await asker.search(text="a cat"), await asker.client.get("/v1/map")):
            assert fault(reply) == (404, "missing", None)
            assert "e5v index" in reply.json()["error"]["message"]
    collection.check()


async def test_an_index_of_another_model(ask: Ask, model: E5V, shelf: Shelf) -> None:
    """Catches vectors of one model compared with those of another, which are plausible nonsense."""
    shelf.fingerprint = "another"
    async with ask() as asker:
        for reply in (await asker.search(text="a cat"), await asker.client.get("/v1/index")):
            assert fault(reply) == (409, "missing", None)
            assert "--model toy" in reply.json()["error"]["message"]
    with pytest.raises(DataError, match="--model toy"):
        Collection(Path(), model).check()
