"""What tests of the page share: an index of drawn images, its server, and a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import PIL.Image
import pytest

from e5v import E5V
from e5v.web.index_view import Collection
from tests.web.page.browsing import (
    ARGUMENTS,
    CHROMIUM,
    PATIENCE,
    Served,
    Visit,
    draw_folder,
    index_folder,
    serving,
    visiting,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, photos: list[PIL.Image.Image]) -> Path:
    """Draw what is indexed."""
    return draw_folder(tmp_path_factory.mktemp("page") / "things", photos)


@pytest.fixture(scope="session")
def collection(model: E5V, folder: Path) -> Collection:
    """Index it."""
    index_folder(model, folder, folder.parent / "index")
    return Collection(folder.parent / "index", model)


@pytest.fixture(scope="module")
def served(collection: Collection) -> Iterator[Served]:
    """Serve it."""
    with serving(collection) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Open a browser; it has a loop of its own, so that no other module's tests may meet it."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    api.expect.set_options(timeout=PATIENCE)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: "Browser", served: Served) -> Iterator[Visit]:
    """Look at the page."""
    with visiting(browser, served.url) as visit:
        yield visit
