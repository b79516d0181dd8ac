"""What is shown is narrowed, ordered, rated, selected and taken along."""

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image
import pytest

from e5v import E5V
from e5v.web.index_view import Collection
from tests.notes import NOTE, PLAIN
from tests.web.page.browsing import PHONE, Served, Visit, index_folder, serving, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

DAY = 86_400


@pytest.fixture(scope="module")
def dated(
    tmp_path_factory: pytest.TempPathFactory, model: E5V, photos: list[PIL.Image.Image]
) -> Iterator[Served]:
    """Serve photos of four days in two folders, and a note in Markdown."""
    folder = tmp_path_factory.mktemp("dated") / "100%_mine's"
    for number, photo in enumerate(photos):
        path = folder / ("old" if number < 2 else "new") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path)
        seconds = 1_600_000_000 + number * DAY  # 2020-09-13, at noon
        os.utime(path, (seconds, seconds))
    (folder / "walk.md").write_text(NOTE)
    (folder / "=sum.txt").write_text('=1+1, "said" she')
    index_folder(model, folder, folder.parent / "index")
    with serving(Collection(folder.parent / "index", model)) as served:
        yield served


@pytest.fixture
def visit(browser: "Browser", dated: Served) -> Iterator[Visit]:
    """Look at that page."""
    with visiting(browser, dated.url, timezone_id="Asia/Tokyo") as visit:
        yield visit


def names(page: "Page") -> list[str]:
    """Return the names of the files that are shown."""
    texts = page.locator(".caption").all_text_contents()
    return [text.removesuffix(".png") for text in texts]


def test_dates_folder_and_order(visit: Visit) -> None:
    """Catches a filter that is not applied, to the list or a search, or is lost by a reload."""
    page = visit.go()
    expect(page.locator(".tile")).to_have_count(4)
    assert names(page) == ["3", "2", "1", "0"]
    page.locator(".filters summary").click()
    page.get_by_label("Order").select_option("oldest")
    expect(page.locator(".caption").first).to_have_text("0.png")
    page.get_by_label("From").fill("2020-09-14")
    page.get_by_label("To", exact=True).fill("2020-09-15")
    expect(page.locator(".tile")).to_have_count(2)
    assert names(page) == ["1", "2"]
    expect(page.locator(".status")).to_have_text("2 found")
    page.get_by_label("Folder").fill("100%_mine's/new")
    page.get_by_label("Folder").press("Enter")
    expect(page.locator(".caption")).to_have_text(["2.png"])
    page.reload()
    expect(page.locator(".caption")).to_have_text(["2.png"])
    expect(page.locator(".filters summary")).to_have_text("Filters (4)")
    page.fill("#words", "a")
    expect(page.locator(".status")).to_have_text("Nearest 1")
    assert "mtime" in visit.searches[-1]["where"]
    page.locator(".filters summary").click()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".status")).to_have_text("Nearest 6 of 6")
    page.get_by_label("Order").select_option("oldest")
    expect(page.locator(".caption").first).to_have_text("0.png")
    page.get_by_label("Folder").fill("nowhere")
    page.get_by_label("Folder").press("Enter")
    expect(page.get_by_text("Nothing found.")).to_be_visible()


def test_markdown_is_shown_as_text(visit: Visit) -> None:
    """Catches marks that are shown raw, and a note whose HTML becomes part of the page."""
    page = visit.go("/?kind=text")
    expect(page.locator(".excerpt", has_text="A walk")).to_have_text(PLAIN, use_inner_text=False)
    page.locator(".tile", has_text="A walk").click()
    assert page.locator(".stage p").text_content() == PLAIN
    assert page.locator(".found img, .stage img").count() == 0
    assert page.title() == "e5v"


def test_a_selection_is_taken_along(visit: Visit) -> None:
    """Catches a list without what was selected, and cells that a table program would compute."""
    page = visit.go("/?kind=text")
    page.locator(".tile").first.focus()
    page.keyboard.press("Space")
    expect(page.locator(".selection .count")).to_have_text("1 selected")
    page.get_by_role("button", name="Select all shown").click()
    expect(page.locator(".selection .count")).to_have_text("2 selected")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    page.get_by_role("button", name="Photos").click()
    page.locator(".tile").first.click()
    expect(page.locator(".selection .count")).to_have_text("3 selected")
    expect(page.locator(".viewer")).to_be_hidden()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download CSV").click()
    content = Path(saved.value.path()).read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert {Path(row["path"]).name for row in rows} == {"walk.md", "=sum.txt", "3.png"}
    assert [row["text"] for row in rows if row["kind"] == "text"][0:1] != []
    assert '\'=1+1, "said" she' in {row["text"] for row in rows}
    assert {row["date"][:10] for row in rows if row["kind"] == "image"} == {"2020-09-16"}
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download list").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert sorted(lines) == sorted(row["path"] for row in rows)
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".selection")).to_be_hidden()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    page.locator(".tile").first.click()
    expect(page.locator(".viewer")).to_be_visible()


@pytest.mark.parametrize("secure", [True, False])
def test_a_path_is_copied(browser: "Browser", dated: Served, *, secure: bool) -> None:
    """Catches a path that cannot be copied, above all where a page has no clipboard (HTTP)."""
    options: dict[str, Any] = {"permissions": ["clipboard-read", "clipboard-write"]}
    with visiting(browser, dated.url, **options) as visit:
        if not secure:
            visit.page.add_init_script("navigator.clipboard.writeText = () => Promise.reject()")
        page = visit.go()
        page.locator(".tile").first.click()
        page.get_by_role("button", name="Copy path").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.endswith("/100%_mine's/new/3.png")
        page.get_by_role("button", name="Show folder").click()
        expect(page.locator(".caption")).to_have_text(["3.png", "2.png"])


def test_what_is_not_close_fades(visit: Visit) -> None:
    """Catches hits that look alike however far they are, and a page that never says "nothing"."""
    _rate(visit.page, ["strong", "weak", "none", "none", "none", "none"])
    page = visit.go("/?q=a")
    expect(page.locator(".far")).to_be_hidden()
    images = page.locator(".grid li:has(img)")
    expect(images).to_have_count(4)
    opacity = """all => all.map((one) => {
      return [one.dataset.match, getComputedStyle(one.querySelector('img')).opacity];
    })"""
    shown = dict(images.evaluate_all(opacity))
    assert shown.get("strong", "1") == "1"
    assert float(shown["none"]) < 0.5
    _rate(visit.page, ["weak", "none", "none", "none", "none", "none"])
    page.fill("#words", "b")
    expect(page.locator(".far")).to_have_text("No strong match. These are the nearest.")
    _rate(visit.page, ["none"] * 6)
    page.fill("#words", "c")
    expect(page.locator(".far")).to_have_text("Nothing close. These are the nearest.")
    page.fill("#words", "")
    expect(page.locator(".far")).to_be_hidden()


def test_filters_on_a_phone(browser: "Browser", dated: Served) -> None:
    """Catches a panel or a bar that is wider than the screen."""
    with visiting(browser, dated.url, viewport=PHONE, is_mobile=True, has_touch=True) as visit:
        page = visit.go("/?folder=new&sort=oldest")
        expect(page.locator(".tile")).to_have_count(2)
        page.get_by_role("button", name="Select", exact=True).tap()
        page.locator(".tile").first.tap()
        expect(page.locator(".selection .count")).to_have_text("1 selected")
        page.locator(".filters summary").tap()
        panel = page.locator(".panel").bounding_box()
        assert panel
        assert panel["width"] > 0.8 * PHONE["width"]
        wide = "all => all.filter((one) => one.getBoundingClientRect().right > innerWidth).length"
        assert page.locator(".panel *:visible, .selection *:visible").evaluate_all(wide) == 0
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def _rate(page: "Page", matches: list[str]) -> None:
    """Let searches be answered as they are, but rated so."""

    def answer(route: "Route") -> None:
        reply = route.fetch()
        body = json.loads(reply.text())
        pairs = zip(body["hits"], matches, strict=True)
        route.fulfill(json=body | {"hits": [hit | {"match": match} for hit, match in pairs]})

    page.unroute("**/v1/search")
    page.route("**/v1/search", answer)
