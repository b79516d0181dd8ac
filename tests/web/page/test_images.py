"""An image to search by: what cannot be read, what cannot be shown, and what is kept of it."""

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import PIL.Image
import pytest

from tests.web.page.browsing import Served, Visit, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

BROKEN = "broken.jpg cannot be read; JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC are."
HUGE = """() => {
  const brought = new DataTransfer();
  brought.items.add(new File([new Uint8Array(21_000_000)], 'huge.png', {type: 'image/png'}));
  document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: brought, bubbles: true}));
}"""
AS_FOLDER = """() => {
  const entry = {isDirectory: true, name: 'holiday'};
  DataTransferItem.prototype.webkitGetAsEntry = () => entry;
}"""


def test_what_is_no_image_is_not_sent(visit: Visit) -> None:
    """Catches a dropped text that replaces the page, or is sent as an image."""
    page = visit.go()
    visit.bring("drop", "notes.txt", b"no image", "text/plain")
    expect(page.locator(".trouble")).to_contain_text("notes.txt is not an image; JPEG, PNG,")
    visit.bring("paste", "empty.png", b"")
    expect(page.locator(".trouble")).to_contain_text("empty.png is empty")
    page.evaluate(HUGE)
    expect(page.locator(".trouble")).to_contain_text("huge.png is too large to send")
    page.evaluate(AS_FOLDER)
    visit.bring("drop", "holiday", b"", "")
    expect(page.locator(".trouble")).to_contain_text("holiday is a folder")
    assert visit.searches == []
    expect(page.locator(".example")).to_be_hidden()
    page.fill("#words", "a")
    expect(page.locator(".tile")).to_have_count(6)
    expect(page.locator(".trouble")).to_be_hidden()


@pytest.mark.parametrize("act", ["drop", "paste", "choose"])
@pytest.mark.parametrize("query", ["", "?q=a"])
def test_a_broken_image(visit: Visit, tmp_path: Path, act: str, query: str) -> None:
    """Catches a broken icon, a count of other results, and a fault told in the server's words."""
    page = visit.go(f"/{query}")
    status, count = ("Nearest 6 of 6", 6) if query else ("4 images, 2 texts", 4)
    expect(page.locator(".status")).to_have_text(status)
    if act == "choose":
        (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
        page.set_input_files(".file", tmp_path / "broken.jpg")
    else:
        visit.bring(act, "broken.jpg", b"\xff\xd8\xff and no more", "image/jpeg")
    expect(page.locator(".trouble")).to_have_text(re.compile(re.escape(BROKEN)))
    expect(page.locator(".example")).to_be_hidden()
    expect(page.locator(".status")).to_have_text(status)
    expect(page.locator(".tile")).to_have_count(count)
    assert page.url == f"{visit.url}/{query}"
    page.reload()
    expect(page.locator(".tile")).to_have_count(count)
    expect(page.locator(".trouble")).to_be_hidden()
    visit.forgive("status of 422")


def test_an_image_that_a_browser_cannot_show(visit: Visit, folder: Path) -> None:
    """Catches a broken icon for HEIC or TIFF, which the server reads and a browser does not."""
    page = visit.go()
    scan = io.BytesIO()
    PIL.Image.open(folder.parent / "pictures" / "1.png").save(scan, "TIFF")
    visit.bring("drop", "scan.tif", scan.getvalue(), "image/tiff")
    expect(page.locator(".score").first).to_have_text("1.00")
    expect(page.locator(".example .blank")).to_be_visible()
    expect(page.locator(".example img")).to_be_hidden()
    expect(page.locator(".example-name")).to_have_text("scan.tif")
    visit.bring("drop", "1.png", (folder.parent / "pictures" / "1.png").read_bytes())
    expect(page.locator(".example img")).to_be_visible()
    expect(page.locator(".example .blank")).to_be_hidden()


def test_a_composed_search_outlives_the_page(visit: Visit, folder: Path) -> None:
    """Catches the words alone as the answer after a reload, by "back", and in another tab."""
    page = visit.go("/?q=a")
    visit.bring("drop", "0.png", (folder.parent / "pictures" / "0.png").read_bytes())
    expect(page.locator(".tile")).to_have_count(5)  # without the image itself
    ids, sent = visit.ids(), visit.searches[-1]
    page.reload()
    expect(page.locator(".tile")).to_have_count(5)
    expect(page.locator(".example-name")).to_have_text("0.png")
    assert (visit.ids(), visit.searches[-1]) == (ids, sent)
    page.get_by_role("button", name="Search without this example").click()
    expect(page.locator(".tile")).to_have_count(6)
    page.go_back()
    expect(page.locator(".tile")).to_have_count(5)
    page.go_back()
    expect(page.locator(".tile")).to_have_count(6)
    page.go_forward()
    expect(page.locator(".tile")).to_have_count(5)
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".tile")).to_have_count(5)
    expect(page.locator(".trouble")).to_be_hidden()


def test_that_an_image_is_gone_is_said(
    browser: "Browser", served: Served, visit: Visit, folder: Path
) -> None:
    """Catches a link to a composed search that answers the words alone in silence."""
    page = visit.go("/?q=a")
    visit.bring("drop", "0.png", (folder.parent / "pictures" / "0.png").read_bytes())
    expect(page.locator(".tile")).to_have_count(5)
    with visiting(browser, served.url) as other:
        for _ in range(2):  # also after a reload
            there = other.go(page.url.removeprefix(served.url))
            expect(there.locator(".trouble")).to_contain_text("drop it again")
            expect(there.locator(".trouble")).to_contain_text("results for the words alone")
            expect(there.locator(".tile")).to_have_count(6)
            expect(there.locator(".example")).to_be_hidden()
