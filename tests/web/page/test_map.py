"""The map: enlarged until its images show, its groups named, and a box that selects."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.web.page.browsing import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

LABELS = [
    {"word": "tower", "x": 0.2, "y": 0.8, "count": 5},
    {"word": "hidden", "x": 0.2, "y": 0.8, "count": 4},  # would lie on the first
    {"word": "beach", "x": 0.7, "y": 0.3, "count": 3},
]
DRAWN = """canvas => {
  const {width, height} = canvas;
  const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


def open_map(visit: Visit) -> tuple["Page", list[dict[str, Any]]]:
    """Open the map; return its points, too."""
    with visit.page.expect_response("**/v1/map") as reply:
        page = visit.go("/?view=map")
    expect(page.locator(".map canvas")).to_be_visible()
    points: list[dict[str, Any]] = reply.value.json()["points"]
    return page, points


def test_images_show_where_it_is_enlarged(visit: Visit) -> None:
    """Catches a map whose dots stay dots however near one looks, and one that cannot be left."""
    page, points = open_map(visit)
    canvas = page.locator(".map canvas")
    dots = canvas.evaluate(DRAWN)
    box = canvas.bounding_box()
    assert box
    point = next(one for one in points if one["kind"] == "image")
    x = box["x"] + 28 + point["x"] * (box["width"] - 56)
    y = box["y"] + 28 + (1 - point["y"]) * (box["height"] - 56)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)  # scrolls the page: the map is not enlarged
    expect(page.locator("canvas.enlarged")).to_have_count(0)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    expect(page.locator("canvas.enlarged")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert canvas.evaluate(DRAWN) > 2 * dots
    page.mouse.click(x, y)  # where it was: enlarging keeps what is under the mouse
    expect(page.locator(".viewer h2")).to_have_text(point["text"])
    page.keyboard.press("Escape")
    page.get_by_label("View of the map").get_by_role("button", name="All").click()
    expect(page.locator("canvas.enlarged")).to_have_count(0)
    assert canvas.evaluate(DRAWN) <= 2 * dots
    visit.forgive("willReadFrequently")  # the test reads what is drawn more than once


def test_a_box_selects(visit: Visit) -> None:
    """Catches points in a box that are not selected, and a drag that opens what it ends on."""
    page, points = open_map(visit)
    canvas = page.locator(".map canvas")
    box = canvas.bounding_box()
    assert box
    page.get_by_role("button", name="Select area").click()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + box["height"] - 2, steps=4)
    page.mouse.up()
    inside = sum(28 + one["x"] * (box["width"] - 56) <= box["width"] / 2 for one in points)
    assert 0 < inside < len(points)
    expect(page.locator(".selection .count")).to_have_text(f"{inside} selected")
    expect(page.locator(".viewer")).to_be_hidden()
    expect(page.get_by_role("button", name="Select area")).to_have_attribute(
        "aria-pressed", "false"
    )


def test_labels_are_searched_for(visit: Visit) -> None:
    """Catches labels that lie on each other, or that lead nowhere."""
    visit.page.route("**/v1/labels", lambda route: route.fulfill(json={"labels": LABELS}))
    page, _ = open_map(visit)
    shown = page.locator(".labels button")
    expect(shown.nth(0)).to_be_visible()
    expect(shown.nth(1)).to_be_hidden()
    expect(shown.nth(2)).to_be_visible()
    places = [shown.nth(place).bounding_box() for place in (0, 2)]
    assert places[0]
    assert places[1]
    assert places[0]["x"] < places[1]["x"]
    assert places[0]["y"] < places[1]["y"]
    shown.nth(2).click()
    expect(page.locator("#words")).to_have_value("beach")
    expect(page.locator(".tile")).to_have_count(6)
