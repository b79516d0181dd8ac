"""What the page says when not all is well, and that it loads nothing it should not."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from e5v import E5V
from e5v.web.access import AccessRules
from e5v.web.index_view import Collection
from e5v.web.service import Settings
from tests.web.page.browsing import CAPTIONS, Served, Visit, index_folder, serving, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture
def leaving(collection: Collection) -> Iterator[Served]:
    """Serve from a server that a test may stop."""
    with serving(collection) as served:
        yield served


def test_the_server_goes_and_comes_back(browser: "Browser", leaving: Served) -> None:
    """Catches typed words that are lost, and old results that look like answers."""
    with visiting(browser, leaving.url) as visit:
        page = visit.go("/?q=a")
        expect(page.locator(".status")).to_contain_text("Nearest 6 of 6")
        leaving.stop()
        page.locator("#words").press_sequentially(" tall tower")
        expect(page.locator(".trouble")).to_contain_text("does not answer")
        expect(page.locator("#words")).to_have_value("a tall tower")
        expect(page.locator(".tile")).to_have_count(6)
        expect(page.locator(".found")).to_have_css("opacity", "0.4")
        leaving.start()
        page.get_by_role("button", name="Try now").click()
        expect(page.locator(".trouble")).to_be_hidden()
        expect(page.locator(".ask")).to_have_attribute("aria-busy", "false")
        expect(page.locator(".found")).to_have_css("opacity", "1")
        assert visit.searches[-1]["text"] == "a tall tower"
        visit.forgive("ERR_CONNECTION")


def test_that_the_server_is_gone_is_noticed(browser: "Browser", leaving: Served) -> None:
    """Catches a start page that looks alive while nothing on it works."""
    with visiting(browser, leaving.url) as visit:
        visit.page.clock.install()
        page = visit.go()
        expect(page.locator(".tile")).to_have_count(len(CAPTIONS))
        leaving.stop()
        page.clock.fast_forward(11_000)
        expect(page.locator(".trouble")).to_contain_text("does not answer")
        expect(page.locator("body")).to_have_class("away")
        leaving.start()
        page.clock.fast_forward(11_000)
        expect(page.locator(".trouble")).to_be_hidden()
        expect(page.locator("body")).not_to_have_class("away")
        visit.forgive("ERR_CONNECTION")


def test_nothing_is_indexed_yet(
    browser: "Browser", model: E5V, folder: Path, tmp_path: Path
) -> None:
    """Catches an empty page, and one that does not notice that something was indexed."""
    with (
        serving(Collection(tmp_path / "index", model)) as served,
        visiting(browser, served.url) as visit,
    ):
        page = visit.go("/?q=a")
        command = f"e5v index FOLDER --index {tmp_path / 'index'} --model {model.loaded.name}"
        expect(page.locator(".empty code")).to_have_text(command)
        index_folder(model, folder, tmp_path / "index")
        expect(page.locator(".empty")).to_be_hidden()
        expect(page.locator(".tile")).to_have_count(6)


def test_a_key_is_asked_for_once(browser: "Browser", collection: Collection) -> None:
    """Catches a script, an image or a question that is sent without the key."""
    credentials = {"username": "anyone", "password": "secret"}
    with (
        serving(collection, Settings(access=AccessRules("secret"))) as served,
        visiting(browser, served.url, http_credentials=credentials) as visit,
    ):
        page = visit.go("/?q=a")
        expect(page.locator(".tile")).to_have_count(6)
        page.get_by_alt_text(CAPTIONS[0]).click()
        expect(page.locator(".stage img")).to_have_count(1)
        expect(page.locator(".stage img")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "requires a key"),
        (413, {}, "larger than this server accepts"),
        (422, {}, "item 0: its image has no supported format"),
        (429, {"Retry-After": "1"}, "busy. Trying again"),
        (503, {"Retry-After": "1"}, "warming up Trying again"),
    ],
)
def test_a_refusal_is_said(visit: Visit, status: int, headers: dict[str, str], said: str) -> None:
    """Catches a refusal that is silent, and one that passes and is not tried again."""
    message = "warming up" if status == 503 else "item 0: its image has no supported format"
    tries: list[int] = []

    def refuse(route: "Route") -> None:
        tries.append(status)
        if len(tries) > 1:
            route.continue_()
        else:
            route.fulfill(status=status, headers=headers, json={"error": {"message": message}})

    visit.page.route("**/v1/search", refuse)
    page = visit.go()
    page.fill("#words", "a")
    expect(page.locator(".trouble")).to_contain_text(said)
    if not headers:
        page.fill("#words", "a b")
    expect(page.locator(".tile")).to_have_count(6)
    expect(page.locator(".trouble")).to_be_hidden()
    visit.forgive(f"status of {status}")


def test_the_models_notice_is_shown_until_it_is_understood(visit: Visit) -> None:
    """Catches a notice that nobody sees, and one that comes back."""
    told: dict[str, Any] = {"items": 6, "kinds": {"image": 4, "text": 2}, "model": "nano"}
    told["notice"] = "knows emoji scenes only"
    visit.page.route("**/v1/index", lambda route: route.fulfill(json=told))
    page = visit.go()
    expect(page.locator(".notice")).to_contain_text("knows emoji scenes only")
    page.get_by_role("button", name="Understood").click()
    expect(page.locator(".notice")).to_be_hidden()
    page.reload()
    expect(page.locator(".status")).to_have_text("4 images, 2 texts")
    expect(page.locator(".notice")).to_be_hidden()


def test_an_entry_that_has_gone_is_not_shown(visit: Visit) -> None:
    """Catches a dialog that stays empty for an old address."""
    page = visit.go("/?q=a&open=gone")
    expect(page.locator(".tile")).to_have_count(6)
    expect(page).to_have_url(re.compile(r"\?q=a$"))
    expect(page.locator(".viewer")).to_be_hidden()
    visit.forgive("status of 404")


def test_colours_and_motion_are_as_the_reader_likes(browser: "Browser", served: Served) -> None:
    """Catches a page that is bright at night, or moves for those who cannot bear it."""
    grounds = set()
    for scheme in ("light", "dark"):
        with visiting(browser, served.url, color_scheme=scheme, reduced_motion="reduce") as visit:
            page = visit.go()
            page.locator(".working").evaluate("bar => { bar.hidden = false; }")
            moves = "bar => getComputedStyle(bar, '::before').animationName"
            assert page.locator(".working").evaluate(moves) == "none"
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


class Inline(HTMLParser):
    """Notes what a strict policy forbids: code and style in the page itself, and other sites."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        names = dict(attrs)
        if tag == "style" or (tag == "script" and not names.get("src")):
            self.found.append(tag)
        for name, value in names.items():
            away = name in {"src", "href", "action"} and not re.match(r"[/#]", value or "")
            if name == "style" or name.startswith("on") or away:
                self.found.append(f"{tag} {name}={value}")


def test_all_is_in_files_of_its_own(visit: Visit, served: Served) -> None:
    """Catches what the policy blocks in some browsers only, and a fault that no test would see."""
    reply = httpx2.get(served.url)
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = Inline()
    page.feed(reply.text)
    assert page.found == []
    visit.go().evaluate("document.body.setAttribute('style', 'color: red')")
    visit.page.evaluate("fetch('https://example.org/').catch(() => 0)")
    blocked = [fault for fault in visit.faults if "Content Security Policy" in fault]
    assert any("style" in fault for fault in blocked)
    assert any("example.org" in fault for fault in blocked)
    visit.faults.clear()
