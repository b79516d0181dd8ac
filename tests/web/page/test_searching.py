"""The page is searched with: by words, by an image, by both, and by what was found."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e5v import E5V
from e5v.search.query import Query, embed_query, find
from e5v.web.index_view import Collection
from tests.web.page.browsing import CAPTIONS, NOTES, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


def test_results_appear_as_one_types(visit: Visit, collection: Collection, model: E5V) -> None:
    """Catches a search per key, and results that are not those of what was typed last."""
    page = visit.go()
    expect(page.get_by_text("4 images, 2 texts")).to_be_visible()
    page.locator("#words").press_sequentially("a tall tower", delay=10)
    expect(page.locator(".status")).to_contain_text("Nearest 6 of 6")
    assert page.url.endswith("?q=a+tall+tower")
    assert visit.searches[-1]["text"] == "a tall tower"
    assert len(visit.searches) < 6
    assert visit.ids() == _expected(collection, model, Query("a tall tower"))
    first = page.locator(".grid li").first
    hit = find(collection.index(), embed_query(model, Query("a tall tower")), k=1)[0]
    expect(first.locator(".score")).to_have_text(f"{hit.score:.2f}")
    alts = page.locator(".grid img").evaluate_all("all => all.map((image) => image.alt)")
    assert sorted(alts) == sorted(CAPTIONS)
    expect(page.locator(".excerpt", has_text=NOTES[0])).to_be_visible()


def test_an_answer_that_comes_too_late_is_dropped(visit: Visit) -> None:
    """Catches results of an earlier query that overwrite those of a later one."""
    held: list[Route] = []
    page = visit.go()
    page.route("**/v1/search", lambda route: route.continue_() if held else held.append(route))
    page.fill("#words", "walrus")
    with page.expect_event("requestfailed") as failed:
        expect(page.locator(".ask")).to_have_attribute("aria-busy", "true")
        page.fill("#words", "espresso")
    expect(page.locator(".status")).to_contain_text("Nearest 6 of 6")
    assert [one["text"] for one in visit.searches] == ["walrus", "espresso"]
    assert '"walrus"' in (failed.value.post_data or "")
    for route in held:
        route.abort()


@pytest.mark.parametrize("act", ["drop", "paste", "choose"])
def test_an_image_finds_itself(visit: Visit, folder: Path, act: str) -> None:
    """Catches an image that is not taken, or that is altered on its way to the model."""
    page = visit.go()
    file = folder.parent / "pictures" / "1.png"
    if act == "choose":
        page.set_input_files(".file", file)
    else:
        visit.bring(act, "1.png", file.read_bytes())
    first = page.locator(".grid li").first
    expect(first.locator("img")).to_have_attribute("alt", CAPTIONS[1])
    expect(first.locator(".score")).to_have_text("1.00")
    expect(page.locator(".example img")).to_be_visible()
    expect(page.locator(".drop")).to_be_hidden()


def test_like_this_but(visit: Visit, collection: Collection, model: E5V, folder: Path) -> None:
    """Catches words that take the image's place, or a query that is not the library's."""
    page = visit.go()
    file = folder.parent / "pictures" / "2.png"
    visit.bring("drop", "2.png", file.read_bytes())
    expect(page.locator("#words")).to_be_focused()
    page.keyboard.type("at night")
    page.get_by_role("button", name="Without", exact=True).click()
    page.keyboard.type("a strip")
    _until(page, visit, "without", "a strip")
    assert visit.ids() == _expected(collection, model, Query("at night", file, "a strip"))
    page.get_by_role("button", name="Search without this example").click()
    _until(page, visit, "image", None)
    assert visit.ids() == _expected(collection, model, Query("at night", without="a strip"))


def test_more_like_this(visit: Visit, collection: Collection) -> None:
    """Catches an answer that is the example itself, and an example that is lost by a reload."""
    page = visit.go("/?q=a+tall+tower")
    page.get_by_alt_text(CAPTIONS[3]).click()
    expect(page.locator(".viewer h2")).to_have_text(CAPTIONS[3])
    page.get_by_role("button", name="More like this").click()
    expect(page.locator(".status")).to_have_text("Nearest 5 of 5")
    id = visit.searches[-1]["like"]
    assert id not in visit.ids()
    assert page.url.endswith(f"/?like={id}")
    assert collection.entry(id).text == CAPTIONS[3]
    page.reload()
    expect(page.locator(".example-name")).to_have_text(CAPTIONS[3])
    page.locator("#words").fill("by day")
    _until(page, visit, "text", "by day")
    assert visit.searches[-1]["like"] == id
    page.locator("#words").fill("")
    page.locator("#words").press("Backspace")
    expect(page.locator(".status")).to_have_text("4 images, 2 texts")
    expect(page.locator(".example")).to_be_hidden()


def test_a_word_of_the_query_is_searched_for(visit: Visit) -> None:
    """Catches chips that do nothing, or that keep the example beside their word."""
    _say(visit.page, {"tower": 0.4, "building": 0.05, "spire": 0.01})
    page = visit.go("/?q=a+tall+tower&without=night")
    chips = page.locator(".summary button")
    expect(chips).to_have_text(["tower40 %", "building5 %"])
    chips.nth(1).click()
    expect(page.locator("#words")).to_have_value("building")
    _until(page, visit, "text", "building")
    assert visit.searches[-1] == {"text": "building", "k": 24}


def test_words_that_the_model_is_not_sure_of_are_not_shown(visit: Visit) -> None:
    """Catches chips of a guess: the likeliest word has a probability of some percent."""
    _say(visit.page, {"tower": 0.09, "building": 0.05})
    page = visit.go("/?q=a+tall+tower")
    expect(page.locator(".tile")).to_have_count(6)
    expect(page.get_by_text("In one word")).to_be_hidden()


def test_the_page_says_of_how_many(visit: Visit) -> None:
    """Catches the size of a page that is called the number of results, and pages that stay."""
    many = {"items": 500, "kinds": {"image": 440, "text": 60}, "model": "toy", "notice": None}
    visit.page.route("**/v1/index", lambda route: route.fulfill(json=many))
    visit.page.route("**/v1/search", _answer)
    page = visit.go("/?q=a")
    status = page.locator(".status")
    expect(status).to_have_text("Nearest 24 of 500")
    page.get_by_role("button", name="Texts").click()
    expect(status).to_have_text("Nearest 24 of 60")
    assert visit.searches[-1]["where"] == "kind = 'text'"
    for count in (48, 60):
        page.get_by_role("button", name="More", exact=True).click()
        expect(page.locator(".tile")).to_have_count(count)
        expect(status).to_have_text(f"Nearest {count} of 60")
    expect(page.locator(".more")).to_be_hidden()
    page.fill("#words", "b")
    expect(page.locator(".tile")).to_have_count(24)


def _say(page: "Page", words: dict[str, float]) -> None:
    """Let searches be answered as they are, but with these words."""
    said = [{"word": word, "share": share} for word, share in words.items()]

    def answer(route: "Route") -> None:
        reply = route.fetch()
        route.fulfill(response=reply, json={**reply.json(), "words": said})

    page.route("**/v1/search", answer)


def _answer(route: "Route") -> None:
    """Answer a search of 60 texts."""
    count = min(60, (route.request.post_data_json or {})["k"])
    hits = [{"id": f"{n}", "score": 0.5, "path": f"/{n}.txt", "kind": "text"} for n in range(count)]
    rest = {"text": "a text", "part": 1, "width": 0, "height": 0, "thumbnail": None, "item": "/"}
    route.fulfill(json={"hits": [hit | rest for hit in hits], "words": [], "took_ms": 1})


def _expected(collection: Collection, model: E5V, query: Query) -> list[str]:
    vectors = embed_query(model, query)
    return [hit.entry.id for hit in find(collection.index(), vectors, k=24)]


def _until(page: "Page", visit: Visit, field: str, value: str | None) -> None:
    """Wait for the answer to a search that has that field."""
    while visit.searches[-1].get(field) != value:
        page.wait_for_timeout(20)
    expect(page.locator(".ask")).to_have_attribute("aria-busy", "false")
