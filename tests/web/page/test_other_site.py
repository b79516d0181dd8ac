"""A page of another site that asks from a browser: `--allow-origin`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from e5v.web.access import LOOPBACK, AccessRules
from e5v.web.index_view import Collection
from e5v.web.origins import read_origin
from e5v.web.service import Settings
from tests.web.page.browsing import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEY = "secret"
ASK = """async ([url, key]) => {
  try {
    const reply = await fetch(`${url}/v1/search`, {
      method: "POST",
      headers: {"Content-Type": "application/json", Authorization: `Bearer ${key}`},
      body: JSON.stringify({text: "a walrus", k: 1}),
    });
    return [reply.status, await reply.json()];
  } catch (error) { return [0, String(error)]; }
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def _other_site(folder: Path) -> Iterator[str]:
    """Serve a folder as a site, and return its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield str(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
def test_only_pages_of_the_allowed_origin_read_replies(
    browser: "Browser", collection: Collection, tmp_path: Path
) -> None:
    """Catches a preflight that browsers refuse, which no client of ours sends."""
    (tmp_path / "index.html").write_text("<title>another site</title>")
    with _other_site(tmp_path) as port:
        origin = read_origin(f"http://LOCALHOST:{port}/")
        access = AccessRules(KEY, LOOPBACK, origins=frozenset({origin}))
        with serving(collection, Settings(access=access)) as served:
            page = browser.new_page()
            replies = []
            for host, key in (("localhost", KEY), ("localhost", "x"), ("127.0.0.1", KEY)):
                page.goto(f"http://{host}:{port}/")
                replies.append(page.evaluate(ASK, [served.url, key]))
            page.close()
    (status, found), (keyless, error), refused = replies
    assert (status, len(found["hits"]), keyless) == (200, 1, 401)
    assert error["error"]["code"] == "key"
    assert refused == [0, "TypeError: Failed to fetch"]
