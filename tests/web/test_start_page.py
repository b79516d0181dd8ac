"""What the page asks for before anything is searched for: entries, example queries, the command."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from e5v import E5V
from e5v.web.index_view import Collection
from tests.web.asking import Ask, fault
from tests.web.shelf import Shelf

pytestmark = pytest.mark.anyio


async def test_entries_newest_first(ask: Ask, shelf: Shelf) -> None:
    """Catches a collection that cannot be looked through, or not by kind or by pages."""
    shelf.shelved = [replace(one, mtime=n) for n, one in enumerate(shelf.shelved)]
    newest = [one.id for one in reversed(shelf.shelved)]
    async with ask() as asker:

        async def entries(**query: Any) -> list[Any]:
            reply = await asker.client.get("/v1/entries", params=query)
            found: list[Any] = reply.json()["entries"]
            return found

        assert [one["id"] for one in await entries()] == newest
        assert [one["id"] for one in await entries(limit=2, offset=1)] == newest[1:3]
        assert [one["kind"] for one in await entries(kind="image")] == ["image"] * 3
        hit = (await asker.search(text="a cat", k=1)).json()["hits"][0]
        one = (await asker.client.get(f"/v1/entries/{quote(hit['id'], safe='')}")).json()
        assert {**one, "score": hit["score"], "match": hit["match"]} == hit
        for path in ("/v1/entries?limit=0", "/v1/entries?offset=-1", "/v1/entries?kind=sound"):
            assert fault(await asker.client.get(path)) == (422, "fields", None)
        assert fault(await asker.client.get("/v1/entries/nobody")) == (404, "missing", None)


async def test_example_queries_find_something(ask: Ask, shelf: Shelf) -> None:
    """Catches examples of another collection, and ones that are searched for at every look."""
    async with ask() as asker:
        queries = (await asker.client.get("/v1/examples")).json()["queries"]
        embedded = await asker.count("e5v_items_total")
        assert (await asker.client.get("/v1/examples")).json()["queries"] == queries
        assert await asker.count("e5v_items_total") == embedded
        first = (await asker.search(text=queries[0])).json()["hits"][0]
    assert 2 <= len(queries) == len(set(queries)) <= 3
    assert queries[0] in {one.text for one in shelf.shelved}
    assert first["text"] == queries[0]


async def test_example_queries_for_pictures_alone(
    ask: Ask, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a collection without captions that has no examples, or ones of no meaning."""
    monkeypatch.setattr("e5v.web.example_queries.SURE", 0.0)  # the small model is sure of nothing
    shelf.shelved = [replace(one, text="") for one in shelf.shelved[:3]]
    shelf.rows = shelf.rows[:3]
    async with ask() as asker:
        queries = (await asker.client.get("/v1/examples")).json()["queries"]
        assert queries
        monkeypatch.setattr("e5v.web.example_queries.SURE", 0.99)
        shelf.version += 1
        monkeypatch.setattr("e5v.web.index_view.FRESH_SECONDS", 0.0)
        assert (await asker.client.get("/v1/examples")).json()["queries"] == []


async def test_the_command_is_that_of_the_index(
    ask: Ask, model: E5V, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a command that fetches another model, or fills another index."""
    usual = tmp_path / "usual"
    monkeypatch.delenv("E5V_INDEX", raising=False)
    monkeypatch.setattr("e5v.web.search_routes.default_folder", lambda: usual)
    name = model.loaded.name

    async def command(folder: Path) -> str:
        async with ask(collection=Collection(folder, model)) as asker:
            told: str = (await asker.client.get("/v1/index")).json()["command"]
            return told

    elsewhere = tmp_path / "my photos"
    quoted = f"e5v index FOLDER --index '{elsewhere}' --model {name}"
    assert await command(elsewhere) == quoted
    assert await command(usual) == f"e5v index FOLDER --model {name}"
    monkeypatch.setattr("e5v.web.search_routes.PAPER", name)
    assert await command(usual) == "e5v index FOLDER"
    monkeypatch.setenv("E5V_INDEX", str(usual))  # of the server's shell, and maybe of no other
    assert await command(usual) == f"e5v index FOLDER --index {usual}"


async def test_the_notice_is_for_visitors(
    ask: Ask, model: E5V, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a line for a shell, shown to somebody who has none."""
    monkeypatch.setattr(model, "loaded", replace(model.loaded, name="nano"))
    async with ask() as asker:
        notice = (await asker.client.get("/v1/index")).json()["notice"]
    assert notice.startswith("This is a small demonstration model.")
    assert "e5v index" not in notice
