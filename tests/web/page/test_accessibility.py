"""Nobody is kept out: axe finds no serious fault, keys are enough, and what moves can be stopped.

axe-core comes from npm when these tests run; without it, those that need it are skipped.
"""

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from e5v.search.entries import Hit
from e5v.verbs.search_page import PageGroup, SearchPage, render_search_page
from e5v.web.index_view import Collection
from tests.web.page.browsing import Served, Visit, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

AXE = "axe-core@4.10.2"
SECONDS = 30
RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter(({impact}) => ['serious', 'critical'].includes(impact))
  .map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html.slice(0, 120)).join(' | ')}`)"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the source of axe-core."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("axe")
    if npm is None:
        pytest.skip("npm, which gets axe-core, is not installed")
    try:
        subprocess.run(
            [npm, "pack", AXE, "--silent", "--fetch-retries=0", f"--cache={folder}"],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=SECONDS,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("axe-core cannot be had from npm")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        return file.read().decode()


@pytest.fixture(params=["light", "dark-phone"])
def look(request: pytest.FixtureRequest, browser: "Browser", served: Served) -> Iterator[Visit]:
    """Look at the page on a screen, and on a dark phone of 390 pixels."""
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
    with visiting(browser, served.url, **(phone if request.param != "light" else {})) as visit:
        yield visit


def check(page: "Page", axe: str) -> None:
    """Let axe look for serious faults."""
    page.evaluate(axe)
    assert page.evaluate(RUN) == []


def test_axe_finds_no_serious_fault(look: Visit, axe: str) -> None:
    """Catches controls without a name, colours that cannot be read, and roles that mislead."""
    page = look.go()
    expect(page.locator(".tries button").first).to_be_visible()
    page.locator(".filters summary").click()
    check(page, axe)
    page.goto(look.url + "/?q=a&without=b")
    expect(page.locator(".tile")).to_have_count(6)
    _fade(page)
    check(page, axe)
    page.get_by_role("button", name="Select", exact=True).click()
    page.get_by_role("button", name="Select all shown").click()
    check(page, axe)
    page.get_by_role("button", name="Done").click()
    page.locator(".tile").first.click()
    expect(page.locator(".viewer")).to_be_visible()
    check(page, axe)
    page.goto(look.url + "/?view=map")
    expect(page.locator(".map canvas")).to_be_visible()
    check(page, axe)


def test_axe_finds_no_serious_fault_in_saved_results(
    browser: "Browser", collection: Collection, axe: str, tmp_path: Path
) -> None:
    """Catches a page of `e5v search --open` that is harder to read than the served one."""
    matches = ("strong", "weak", "none")
    entries = collection.index().newest()
    hits = [Hit(entry, 0.5, matches[place % 3]) for place, entry in enumerate(entries)]  # type: ignore[arg-type]
    html = render_search_page(SearchPage("a tower", [PageGroup(hits, "Nothing close.")]))
    (tmp_path / "found.html").write_text(html, encoding="utf-8")
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844})
        page = context.new_page()
        page.goto((tmp_path / "found.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        check(page, axe)
        context.close()


def test_the_new_controls_by_keys(visit: Visit) -> None:
    """Catches a filter, a selection, or a map that only a mouse can use."""
    page = visit.go()
    expect(page.locator(".tile").first).to_be_visible()
    page.locator(".filters summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("From")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("From")).to_be_hidden()
    expect(page.locator(".filters summary")).to_be_focused()
    page.goto(visit.url + "/?view=map")
    canvas = page.locator(".map canvas")
    expect(canvas).to_be_visible()
    page.wait_for_load_state("networkidle")
    canvas.focus()
    page.keyboard.press("+")
    expect(page.locator("canvas.enlarged")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.locator(".selection .count")).to_have_text("1 selected")
    page.keyboard.press("0")
    expect(page.locator("canvas.enlarged")).to_have_count(0)


def test_reduced_motion(browser: "Browser", served: Served) -> None:
    """Catches an animation or transition for those who asked for none."""
    with visiting(browser, served.url, reduced_motion="reduce") as visit:
        page = visit.go("/?q=a")
        expect(page.locator(".tile")).to_have_count(6)
        moving = """() => [...document.querySelectorAll('*')].flatMap((one) =>
          [null, '::before', '::after'].map((pseudo) => getComputedStyle(one, pseudo)))
          .filter((style) => style.animationName !== 'none'
            || style.transitionDuration.split(', ').some((time) => parseFloat(time) > 0)).length"""
        assert page.evaluate(moving) == 0


def _fade(page: "Page") -> None:
    """Let the results look far away: faded colours have to stay readable."""
    page.evaluate(
        "document.querySelectorAll('.grid li').forEach((tile, n) => {"
        " tile.dataset.match = ['weak', 'none'][n % 2]; })"
    )
