"""What is around the routes: health, counts, documents, the page, and failures of our own."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from e5v import E5V
from tests.web.asking import Ask, fault

pytestmark = pytest.mark.anyio


async def test_health(ask: Ask) -> None:
    """Catches a probe that cannot tell an open server from one that is not."""
    async with ask() as asker:
        for path in ("/livez", "/readyz"):
            assert (await asker.client.get(path)).text == "ok\n"
        app, client = asker.app, asker.client
        service, app.state.service = app.state.service, None
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        assert (await asker.embeddings(input="a")).status_code == 503
        app.state.service = service
        app.state.is_ending = lambda: True
        assert (await client.get("/livez")).status_code == 200
        reply = await client.get("/readyz")
        assert (fault(reply), "shutting down" in reply.text) == ((503, "failed", None), True)


async def test_counts(ask: Ask) -> None:
    """Catches a count that stands still, and a label that a client can make up."""
    async with ask() as asker:
        await asker.embeddings(input=["a", "b"])
        await asker.embeddings(input=[""])
        await asker.client.get("/made/up/by/a/client")
        text = (await asker.client.get("/metrics")).text
    for line in (
        'e5v_requests_total{route="/v1/embeddings",status="200"} 1.0',
        'e5v_requests_total{route="/v1/embeddings",status="422"} 1.0',
        'e5v_request_seconds_count{route="/v1/embeddings"} 2.0',
        'e5v_rejected_total{reason="item"} 1.0',
        'e5v_rejected_total{reason="missing"} 1.0',
        "e5v_items_total 3.0",
        "e5v_queued_tokens 0.0",
    ):
        assert line in text
    assert "made" not in text


async def test_every_reply_keeps_browsers_strict(ask: Ask) -> None:
    """Catches a page that could load from elsewhere, and a refusal without the headers."""
    async with ask() as asker:
        for path in ("/", "/docs", "/nope", "/v1/index", "/v1/items/x"):
            headers = (await asker.client.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"


async def test_the_page_and_the_documents_need_nobody_else(ask: Ask) -> None:
    """Catches a script, style or font of another site, and one in the page that would not run."""
    async with ask() as asker:
        schema = (await asker.client.get("/openapi.json")).json()
        for path in ("/", "/docs"):
            page = (await asker.client.get(path)).text
            links = re.findall(r'(?:src|href)="([^"]*)"', page)
            assert all(link.startswith(("/", "#", "page.", "data:")) for link in links), links
            assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=", page)
            for link in links:
                if link.startswith(("/", "page.")):
                    reply = await asker.client.get("/" + link.lstrip("/"))
                    assert reply.status_code == 200, link
        for route in schema["paths"]:
            assert route in page
    assert "min_score" in page


async def test_files_of_the_page_only(ask: Ask) -> None:
    """Catches a path out of the folder, and a page that is left out of the package."""
    assert files("e5v.web").joinpath("page/index.html").is_file()
    async with ask() as asker:
        for path in ("/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "//etc/passwd", "/app.py"):
            reply = await asker.client.get(path)
            assert fault(reply) == (404, "missing", None), path
        assert fault(await asker.client.post("/", json={})) == (405, "method", None)
        assert fault(await asker.client.get("/v1/embeddings"))[0] in {404, 405}


async def test_a_failure_of_ours_says_nothing_of_us(
    ask: Ask, model: E5V, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a traceback, or a path of this machine, that is told to a client."""
    secret = str(Path.home() / "secret")

    def failing(*_: object, **__: object) -> None:
        raise RuntimeError(secret)

    async with ask(quiet=True) as asker:
        monkeypatch.setattr(model, "prepare", failing)
        reply = await asker.embeddings(input="a")
        text = (await asker.client.get("/metrics")).text
    assert fault(reply) == (500, "failed", None)
    assert secret not in reply.text
    assert 'route="/v1/embeddings",status="500"' in text
