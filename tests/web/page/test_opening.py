"""What the page shows before anything is searched for."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image
import pytest

from e5v import E5V
from e5v.web.index_view import Collection
from tests.web.page.browsing import CAPTIONS, NOTES, PHONE, Visit, index_folder, serving, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

ROWS = """tiles => {
  const rows = new Map();
  for (const tile of tiles) {
    const {x, y, width, height} = tile.querySelector('.shown').getBoundingClientRect();
    rows.set(y, [...(rows.get(y) ?? []), {x, width, height, ratio: tile.dataset.ratio}]);
  }
  return [...rows.values()];
}"""


def test_it_opens_on_pictures(visit: Visit) -> None:
    """Catches a page that opens on dots, without one picture or sentence."""
    page = visit.go()
    expect(page.locator(".grid img")).to_have_count(len(CAPTIONS))
    loaded = "all => all.every((image) => image.complete && image.naturalWidth > 0)"
    page.wait_for_load_state("networkidle")
    assert page.locator(".grid img").evaluate_all(loaded)
    expect(page.locator(".caption")).to_have_text(list(reversed(CAPTIONS)))  # the newest first
    expect(page.locator(".tabs button:visible")).to_have_text(["Photos", "Texts", "Map"])
    expect(page.locator(".tabs [aria-pressed=true]")).to_have_text("Photos")
    expect(page.locator(".map")).to_be_hidden()
    page.get_by_role("button", name="Texts").click()
    expect(page.locator(".excerpt")).to_have_text(list(NOTES))
    page.go_back()
    page.get_by_alt_text(CAPTIONS[1]).click()
    expect(page.locator(".viewer .place")).to_have_text("3 of 4")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".viewer h2")).to_have_text(CAPTIONS[0])


def test_rows_are_justified(visit: Visit) -> None:
    """Catches pictures that are cut to squares, and rows that are ragged or uneven."""
    _many(visit, 90)
    page = visit.go()
    expect(page.locator(".tile")).to_have_count(60)
    width = page.locator(".grid").evaluate("grid => grid.clientWidth")
    rows = page.locator(".grid li").evaluate_all(ROWS)
    for row in rows[:-1]:
        assert max(one["height"] for one in row) - min(one["height"] for one in row) < 1.5
        assert row[-1]["x"] + row[-1]["width"] - row[0]["x"] == pytest.approx(width, abs=1.5)
    shapes = {round(one["width"] / one["height"], 1) for row in rows for one in row}
    assert shapes == {0.8, 1.0, 1.5}


def test_more_comes_as_one_scrolls(visit: Visit) -> None:
    """Catches a collection of which only the first page can be seen, and pages that repeat."""
    asked = _many(visit, 130)
    page = visit.go()
    expect(page.locator(".tile")).to_have_count(60)
    for count in (120, 130):
        page.locator(".tile").last.scroll_into_view_if_needed()
        expect(page.locator(".tile")).to_have_count(count)
    page.locator(".tile").last.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert [one["offset"] for one in asked] == ["0", "60", "120"]
    assert len(set(visit.ids())) == 130


def test_example_queries_are_searched_for(visit: Visit) -> None:
    """Catches a field that one must fill from nothing, and examples that find nothing."""
    page = visit.go()
    chips = page.locator(".tries button")
    expect(chips.first).to_be_visible()
    query = chips.first.inner_text()
    assert query in {*CAPTIONS, *NOTES}
    chips.first.click()
    expect(page.locator("#words")).to_have_value(query)
    expect(page.locator(".status")).to_contain_text("Nearest 6 of 6")
    expect(page.locator(".tries")).to_be_hidden()


def test_the_page_does_not_wait_for_examples(visit: Visit) -> None:
    """Catches a start page that is empty until the model has answered, or moves when it has."""
    held: list[Route] = []
    visit.page.route("**/v1/examples", lambda route: held.append(route))
    page = visit.go()
    tile = page.locator(".tile").first
    expect(tile).to_be_visible()
    before = tile.bounding_box()
    for route in held:
        route.continue_()
    expect(page.locator(".tries button").first).to_be_visible()
    assert tile.bounding_box() == before


def test_texts_alone(browser: "Browser", model: E5V, tmp_path: Path) -> None:
    """Catches a page that opens on no pictures where there are none, and tabs that are empty."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "notes.jsonl").write_text("\n".join(json.dumps({"text": note}) for note in NOTES))
    index_folder(model, notes, tmp_path / "index")
    with (
        serving(Collection(tmp_path / "index", model)) as served,
        visiting(browser, served.url) as visit,
    ):
        page = visit.go()
        expect(page.locator(".excerpt")).to_have_count(len(NOTES))
        expect(page.locator(".tabs button:visible")).to_have_text(["Texts", "Map"])
        expect(page.locator(".tabs [aria-pressed=true]")).to_have_text("Texts")
        page.fill("#words", "walrus")
        expect(page.locator(".status")).to_have_text("Nearest 2 of 2")
        expect(page.locator(".tabs button:visible")).to_have_text(["Texts", "Map"])


@pytest.mark.slow
def test_new_pictures_come_first(browser: "Browser", model: E5V, tmp_path: Path) -> None:
    """Catches a page that shows what the index was when it was opened."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        _draw(photos / f"{number}.png", number)
    index_folder(model, photos, tmp_path / "index")
    with (
        serving(Collection(tmp_path / "index", model)) as served,
        visiting(browser, served.url, viewport=PHONE) as visit,
    ):
        page = visit.go()
        expect(page.locator(".grid img")).to_have_count(3)
        expect(page.get_by_alt_text("2.png")).to_be_visible()
        _draw(photos / "new.png", 9)
        index_folder(model, photos, tmp_path / "index")
        expect(page.locator(".grid img")).to_have_count(4)
        expect(page.locator(".grid img").first).to_have_attribute("alt", "new.png")


def _draw(path: Path, seconds: int) -> None:
    PIL.Image.linear_gradient("L").rotate(40 * seconds).save(path)
    os.utime(path, (1e9 + seconds, 1e9 + seconds))


def _many(visit: Visit, count: int) -> list[dict[str, Any]]:
    """Let the server seem to have that many images; return what is asked of it, as it comes."""
    asked: list[dict[str, Any]] = []
    index = {"items": count, "kinds": {"image": count, "text": 0}, "model": "toy", "notice": None}
    sizes = [(300, 200), (200, 200), (160, 200)]

    def answer(route: "Route") -> None:
        query = dict(pair.split("=") for pair in route.request.url.partition("?")[2].split("&"))
        asked.append(query)
        first = int(query["offset"])
        numbers = range(first, min(count, first + int(query["limit"])))
        route.fulfill(json={"entries": [_entry(n, *sizes[n % 3]) for n in numbers]})

    visit.page.route("**/v1/index", lambda route: route.fulfill(json=index))
    visit.page.route("**/v1/entries?*", answer)
    return asked


def _entry(number: int, width: int, height: int) -> dict[str, Any]:
    picture = "/mark.svg"
    entry = {"id": f"{number}", "path": f"/{number}.jpg", "kind": "image", "text": f"no {number}"}
    size = {"part": 0, "width": width, "height": height}
    return {**entry, **size, "thumbnail": picture, "item": picture}
