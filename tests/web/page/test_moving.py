"""One moves through the page: its map, its history, by keys alone, and on a phone."""

from typing import TYPE_CHECKING, Any

import pytest

from e5v.web.index_view import Collection
from tests.web.page.browsing import CAPTIONS, NOTES, PHONE, SMALL, Served, Visit, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Position, Route

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

BOXES = """tiles => tiles.map((tile) => {
  const {x, y, width, height} = tile.getBoundingClientRect();
  return {x, y: y + scrollY, width, height};
})"""


def test_the_map_shows_and_opens(visit: Visit) -> None:
    """Catches a map that is blank, or whose points show or open another entry."""
    page = visit.go()
    canvas = page.locator(".map canvas")
    with page.expect_response("**/v1/map") as reply:
        page.get_by_role("button", name="Map").click()
        expect(canvas).to_be_visible()
    points = [one for one in reply.value.json()["points"] if one["kind"] == "image"]
    colours = """canvas => new Set(new Uint32Array(canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
    assert canvas.evaluate(colours) > 2
    box = canvas.bounding_box()
    assert box
    alone = max(points, key=lambda one: min(_apart(one, two) for two in points if two != one))
    x = 28 + alone["x"] * (box["width"] - 56)
    y = 28 + (1 - alone["y"]) * (box["height"] - 56)
    page.mouse.move(box["x"] + x, box["y"] + y)
    expect(page.locator(".look p")).to_have_text(alone["text"])
    expect(page.locator(".look img")).to_have_attribute("src", alone["thumbnail"])
    page.mouse.click(box["x"] + x, box["y"] + y)
    expect(page.locator(".viewer h2")).to_have_text(alone["text"])
    page.keyboard.press("Escape")
    expect(page.locator(".viewer")).to_be_hidden()
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    said = page.locator(".heard").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".viewer")).to_be_visible()
    told = page.locator(".viewer h2").inner_text() + page.locator(".stage").inner_text()
    assert said.partition(": ")[2] in told


def test_back_goes_back(visit: Visit) -> None:
    """Catches a step that is not noted, a step per key, and an address that shows another state."""
    page = visit.go()
    page.locator("#words").press_sequentially("a tall tower", delay=5)
    expect(page.locator(".status")).to_contain_text("Nearest 6 of 6")
    page.get_by_alt_text(CAPTIONS[0]).click()
    expect(page.locator(".viewer")).to_be_visible()
    page.go_back()
    expect(page.locator(".viewer")).to_be_hidden()
    page.go_forward()
    expect(page.locator(".viewer h2")).to_have_text(CAPTIONS[0])
    page.reload()
    expect(page.locator(".viewer h2")).to_have_text(CAPTIONS[0])
    page.get_by_role("button", name="Like this, but").click()
    expect(page.locator("#words")).to_be_focused()
    page.go_back()
    page.go_back()
    expect(page.locator("#words")).to_have_value("a tall tower")
    expect(page.locator(".viewer")).to_be_hidden()
    page.go_back()
    expect(page.locator("#words")).to_have_value("")
    expect(page.locator(".tile")).to_have_count(len(CAPTIONS))


def test_keys_alone(visit: Visit) -> None:
    """Catches a page that needs a mouse, and a focus that is lost or cannot be seen."""
    page = visit.go()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("a")
    expect(page.locator(".status")).to_contain_text("Nearest 6 of 6")
    page.keyboard.press("ArrowDown")
    tiles = page.locator(".tile")
    expect(tiles.nth(0)).to_be_focused()
    assert tiles.nth(0).evaluate("tile => getComputedStyle(tile).outlineStyle") == "solid"
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    place = page.locator(".viewer .place")
    expect(place).to_have_text("2 of 6")
    page.keyboard.press("ArrowRight")
    expect(place).to_have_text("3 of 6")
    page.keyboard.press("Escape")
    expect(page.locator(".viewer")).to_be_hidden()
    expect(tiles.nth(2)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#words")).to_be_focused()


def test_rows_and_columns(visit: Visit) -> None:
    """Catches arrow keys that leave the column, and thumbnails that move what is around them."""
    held: list[Route] = []
    visit.page.set_viewport_size({"width": 360, "height": 740})
    visit.page.route("**/v1/thumbnails/*", lambda route: held.append(route))
    page = visit.go("/?q=a")
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(len(CAPTIONS) + len(NOTES))
    boxes = tiles.evaluate_all(BOXES)
    for route in held:
        route.continue_()
    page.wait_for_load_state("networkidle")
    assert tiles.evaluate_all(BOXES) == boxes
    tiles.nth(0).focus()
    page.keyboard.press("ArrowDown")
    now = page.evaluate("document.activeElement.getBoundingClientRect().top")
    below = sorted({box["y"] for box in boxes})[1]
    assert now + page.evaluate("scrollY") == pytest.approx(below, abs=1)


@pytest.mark.parametrize(
    "path",
    ["/", "/?kind=text", "/?view=map", "/?q=a&without=b", "/?q=a&view=map", "/?open=", "/?like="],
)
def test_no_sideways_scrolling_on_a_phone(
    browser: "Browser", served: Served, collection: Collection, path: str
) -> None:
    """Catches anything that is wider than a small phone."""
    id = collection.index().vectors()[0][-1]
    path += id if path.endswith("=") else ""
    with visiting(browser, served.url, viewport=SMALL, is_mobile=True, has_touch=True) as visit:
        page = visit.go(path)
        expect(page.locator(".status")).not_to_be_empty()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") == SMALL["width"]
        assert page.evaluate("innerWidth") == SMALL["width"]
        wide = "all => all.filter((one) => one.getBoundingClientRect().right > 321).length"
        assert (
            page.locator(".bar *:visible, main > *:visible, .side *:visible").evaluate_all(wide)
            == 0
        )


def test_a_finger_looks_before_it_opens(browser: "Browser", served: Served) -> None:
    """Catches a map that cannot be looked at without a mouse, or opens at the first touch."""
    with visiting(browser, served.url, viewport=PHONE, is_mobile=True, has_touch=True) as visit:
        with visit.page.expect_response("**/v1/map") as reply:
            page = visit.go("/?view=map")
        canvas = page.locator(".map canvas")
        expect(canvas).to_be_visible()
        point = reply.value.json()["points"][0]
        box = canvas.bounding_box()
        assert box
        place: Position = {
            "x": 28 + point["x"] * (box["width"] - 56),
            "y": 28 + (1 - point["y"]) * (box["height"] - 56),
        }
        canvas.tap(position=place)
        expect(page.locator(".look")).to_be_visible()
        expect(page.locator(".viewer")).to_be_hidden()
        canvas.tap(position=place)
        expect(page.locator(".viewer")).to_be_visible()


def _apart(one: dict[str, Any], two: dict[str, Any]) -> float:
    return float(abs(one["x"] - two["x"]) + abs(one["y"] - two["y"]))
