"""What tests of the page share: the app on a port, and a browser that looks at it.

index + model -> uvicorn in a thread -> Chromium -> Visit, which notes what should not be
"""

import base64
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image
import uvicorn

from e5v import E5V
from e5v.search.index_model import manifest_of
from e5v.search.sync import FolderSync
from e5v.search.writer import writing
from e5v.web.app import create_app
from e5v.web.index_view import Collection
from e5v.web.service import Settings
from e5v.web.serving import listen

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 30_000  # milliseconds; other work may hold the machine
NOTES = ("the walrus rests on the ice", "espresso is brewed under pressure")
CAPTIONS = ("a wide field at dusk", "a tall tower", "a square plate", "a long strip of beach")
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
SMALL = {"width": 320, "height": 600}  # the smallest phone

# What a drop or a paste brings with it: a file, made in the page from its name, kind and base64.
BRING = """([name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const brought = new DataTransfer();
  brought.items.add(new File([bytes], name, {type}));
  return brought;
}"""
PASTE = """brought => document.body.dispatchEvent(new ClipboardEvent('paste', {
  clipboardData: brought, bubbles: true, cancelable: true,
}))"""


def draw_folder(folder: Path, photos: list[PIL.Image.Image]) -> Path:
    """Write photos with captions, and two notes."""
    pictures = folder.parent / "pictures"
    pictures.mkdir()
    folder.mkdir()
    lines: list[dict[str, str]] = [{"text": note} for note in NOTES]
    for number, (photo, caption) in enumerate(zip(photos, CAPTIONS, strict=True)):
        photo.save(pictures / f"{number}.png")
        lines.append({"image": str(pictures / f"{number}.png"), "caption": caption})
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def index_folder(model: E5V, folder: Path, index: Path) -> None:
    """Index a folder."""
    with writing(index, lambda: manifest_of(model, "toy")) as writer:
        for _ in FolderSync(writer, lambda: model).follow([str(folder)]):
            pass


class Served:
    """The app on a port of its own, which it keeps when it goes and comes back."""

    def __init__(self, collection: Collection, settings: Settings) -> None:
        self._collection = collection
        self._settings = settings
        self._port = 0

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Come, and return when requests are taken."""
        self._socket = listen("127.0.0.1", self._port)
        self._port = self._socket.getsockname()[1]
        app = create_app(self._collection, self._settings)
        config = uvicorn.Config(app, lifespan="on", ws="none", log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """Go, and return when the port is closed."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@contextmanager
def serving(collection: Collection, settings: Settings | None = None) -> Iterator[Served]:
    """Serve a collection."""
    served = Served(collection, settings or Settings())
    served.start()
    try:
        yield served
    finally:
        served.stop()


@dataclass
class Visit:
    """A page that is looked at, and what it did that it should not: each a line."""

    page: "Page"
    url: str
    faults: list[str] = field(default_factory=list)
    searches: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen."""
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._asked)

    def _heard(self, message: "ConsoleMessage") -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: "Request") -> None:
        if not request.url.startswith((f"{self.url}/", "data:", "blob:")):
            self.faults.append(f"leaves: {request.url}")
        if request.url == f"{self.url}/v1/search":
            self.searches.append(request.post_data_json or {})

    def go(self, path: str = "/") -> "Page":
        """Open an address of the page."""
        self.page.goto(self.url + path)
        return self.page

    def bring(self, act: str, name: str, content: bytes, kind: str = "image/png") -> None:
        """Drop a file on the page, or paste it."""
        file = [name, kind, base64.b64encode(content).decode()]
        brought = self.page.evaluate_handle(BRING, file)
        if act == "paste":
            brought.evaluate(PASTE)
            return
        for step in ("dragenter", "dragover", "drop"):
            self.page.dispatch_event("body", step, {"dataTransfer": brought})

    def ids(self) -> list[str]:
        """Return the ids of the results as they stand."""
        found: list[str] = self.page.eval_on_selector_all(
            ".grid li", "tiles => tiles.map((tile) => tile.dataset.id)"
        )
        return found

    def forgive(self, *texts: str) -> None:
        """Forget faults that a test brought about itself."""
        self.faults = [fault for fault in self.faults if not any(text in fault for text in texts)]


@contextmanager
def visiting(browser: "Browser", url: str, **options: Any) -> Iterator[Visit]:
    """Look at a page, with nothing known from before; in the end nothing may have gone wrong."""
    context = browser.new_context(**{"viewport": WIDE, **options})
    context.set_default_timeout(PATIENCE)
    try:
        visit = Visit(context.new_page(), url)
        yield visit
        assert visit.faults == []
    finally:
        context.close()
