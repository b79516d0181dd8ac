"""What the page tells visitors of a bundled model."""

from dataclasses import replace

import pytest

from e5v import E5V
from e5v.model import prices
from e5v.model.bundled import visitors_notice
from e5v.model.catalogue import find_model
from e5v.model.machine import Rates
from e5v.search.index import Index
from e5v.web.index_view import Collection
from tests.web.asking import PHOTOS, Ask
from tests.web.shelf import photos_and_texts

pytestmark = pytest.mark.anyio


async def test_the_bundled_model_on_photographs(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches poor results that the page does not explain, and a word about drawings."""
    monkeypatch.setattr(
        prices, "measure_rates", lambda _, widths: Rates(dict.fromkeys(widths, 1e12), 1e12, 1e12)
    )
    nano = E5V("nano", device="cpu")
    shelf = photos_and_texts(nano)
    monkeypatch.setattr(Index, "open", lambda _: shelf)

    async def told() -> str:
        async with ask(collection=Collection(PHOTOS, nano)) as asker:
            line: str = (await asker.client.get("/v1/index")).json()["notice"]
            return line

    plain = visitors_notice("nano")
    assert await told() == plain
    shelf.shelved[1] = replace(shelf.shelved[1], width=361)
    said = await told()
    assert said.startswith(f"{plain} For photographs, take ")
    assert said.endswith(" on this machine (see e5v models).")
    named = said.removeprefix(f"{plain} For photographs, take ").split()[0]
    assert find_model(named) is not None
    shelf.shelved[1] = replace(shelf.shelved[1], kind="text", thumbnail=b"")
    assert await told() == plain
