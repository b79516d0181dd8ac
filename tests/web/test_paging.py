"""Pages of `/v1/search`: each hit once, while the index changes."""

from dataclasses import replace

import numpy as np
import pytest

from e5v import E5V
from e5v.web.paging import Cursor, write_cursor
from e5v.web.schemas import SearchRequest
from tests.web.asking import Ask, fault
from tests.web.shelf import Shelf

pytestmark = pytest.mark.anyio


async def test_pages_of_a_search_are_one_long_page(ask: Ask, shelf: Shelf) -> None:
    """Catches a hit that is twice on the pages, or on none, and a page after the last one."""
    async with ask() as asker:
        whole = (await asker.search(text="a cat", without="a dog")).json()
        found, after, pages = [], None, 0
        while pages == 0 or after:
            reply = await asker.search(text="a cat", without="a dog", k=2, after=after)
            found += reply.json()["hits"]
            after, pages = reply.json()["next"], pages + 1
    assert (len(whole["hits"]), whole["next"], pages) == (5, None, 3)
    assert found == whole["hits"]


async def test_a_page_stays_where_it_is_when_entries_come_and_go(
    ask: Ask, model: E5V, shelf: Shelf
) -> None:
    """Catches a page that is counted from the first hit: an index changes while it is read."""
    async with ask() as asker:
        before = [hit["id"] for hit in (await asker.search(text="a cat")).json()["hits"]]
        first = (await asker.search(text="a cat", k=2)).json()
        new = [replace(shelf.shelved[0], id=f"new {place}") for place in range(70)]
        shelf.rows = np.vstack([shelf.rows, np.repeat(model.encode(["a cat"]), 70, 0)])
        shelf.shelved += new
        second = (await asker.search(text="a cat", k=2, after=first["next"])).json()
        gone = [entry.id != before[1] for entry in shelf.shelved]
        shelf.rows = shelf.rows[gone]
        shelf.shelved = [entry for entry, kept in zip(shelf.shelved, gone, strict=True) if kept]
        del shelf.shelved[-70:]
        shelf.rows = shelf.rows[:-70]
        again = (await asker.search(text="a cat", k=2, after=first["next"])).json()
    for page in (second, again):
        assert [hit["id"] for hit in page["hits"]] == before[2:4]


async def test_what_does_not_continue_a_search_is_refused(ask: Ask, shelf: Shelf) -> None:
    """Catches a page of another search, which would begin anywhere."""
    async with ask() as asker:
        first = (await asker.search(text="a cat", k=2)).json()
        other = await asker.search(text="a dog", k=2, after=first["next"])
        wrong = [
            await asker.search(text="a cat", after=after)
            for after in ("x", "é", "bnVsbA==", "W10=", "WyJhIiwtMSwiIl0=", first["next"][:-4])
        ]
        end = write_cursor(Cursor("a", 9_990), SearchRequest.model_validate({"text": "a cat"}))
        deep = await asker.search(text="a cat", after=end)
    assert fault(other) == (422, "fields", None)
    assert "after is from another search" in other.text
    for reply in wrong:
        assert fault(reply) == (422, "fields", None)
        assert "after is not from a reply" in reply.text
    assert "after 9990 hits, k is 24; expected at most 10000 hits in all" in deep.text
