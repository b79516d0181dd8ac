"""HEAD, OPTIONS, wrong methods and unknown paths: what tools and people try first."""

import pytest

from e5v.web.access import AccessRules
from e5v.web.service import Settings
from tests.web.asking import Ask, fault

pytestmark = pytest.mark.anyio

READ = ["/", "/page.js", "/docs", "/docs.css", "/openapi.json", "/metrics", "/v1/models"]
MISSING = ["/nope", "/v1/map"]  # there is no index
HEALTH = ["/livez", "/readyz", "/health", "/healthz"]


async def test_head_is_get_without_a_body(ask: Ask) -> None:
    """Catches `curl -I` and Docker's usual check, which call a healthy server unhealthy."""
    async with ask() as asker:
        for path in [*READ, *HEALTH, "/v1/index", *MISSING]:
            get = await asker.client.get(path)
            head = await asker.client.head(path)
            assert head.status_code == get.status_code == (404 if path in MISSING else 200), path
            assert head.content == b""
            assert head.headers["content-type"] == get.headers["content-type"]
            if path != "/metrics":  # it counts its own requests
                assert head.headers["content-length"] == get.headers["content-length"]
        assert (
            'e5v_requests_total{route="/v1/models",status="200"} 2.0'
            in (await asker.client.get("/metrics")).text
        )
        service, asker.app.state.service = asker.app.state.service, None
        for path in ("/readyz", "/health", "/healthz"):
            assert (await asker.client.head(path)).status_code == 503
            assert fault(await asker.client.get(path)) == (503, "failed", None)
        assert (await asker.client.head("/livez")).status_code == 200
        asker.app.state.service = service


async def test_health_needs_no_key(ask: Ask) -> None:
    """Catches a probe that would have to know the key."""
    async with ask(Settings(access=AccessRules("a key"))) as asker:
        for path in HEALTH:
            assert (await asker.client.head(path)).status_code == 200
        assert (await asker.client.head("/v1/models")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/embeddings", "OPTIONS, POST"),
        ("HEAD", "/v1/embeddings", "OPTIONS, POST"),
        ("PUT", "/v2/embed", "OPTIONS, POST"),
        ("GET", "/v1/search", "OPTIONS, POST"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/models/a/b", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/items/a%2Fb", "GET, HEAD, OPTIONS"),
        ("POST", "/livez", "GET, HEAD, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("POST", "/page.js", "GET, HEAD, OPTIONS"),
        ("POST", "/docs", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_405(ask: Ask, method: str, path: str, allowed: str) -> None:
    """Catches 404 for a path that is there, and no Allow that says how it can be asked."""
    async with ask() as asker:
        reply = await asker.client.request(method, path)
        assert reply.status_code == 405
        assert reply.headers["allow"] == allowed
        if method != "HEAD":
            assert fault(reply) == (405, "method", None)
            assert f"does not support {method}; it supports" in reply.json()["error"]["message"]
        options = await asker.client.options(path)
        assert (options.status_code, options.headers["allow"]) == (204, allowed)
        assert await asker.count('e5v_rejected_total{reason="method"}') == 1


@pytest.mark.parametrize(
    ("method", "path", "near"),
    [
        ("POST", "/embeddings", "/v1/embeddings"),
        ("POST", "/v1/v1/embeddings", "/v1/embeddings"),
        ("POST", "/v1/embeddings/", "/v1/embeddings"),
        ("POST", "/v1/embedding", "/v1/embeddings"),
        ("POST", "/search", "/v1/search"),
        ("GET", "/models", "/v1/models"),
        ("GET", "/heath", "/health"),
        ("GET", "/doc", "/docs"),
        ("GET", "/ready", "/readyz"),
        ("POST", "/v1/completions", None),
        ("GET", "/favicon.png", None),
        ("OPTIONS", "/nope", None),
        ("POST", "/nope", None),
    ],
)
async def test_an_unknown_path_is_404(ask: Ask, method: str, path: str, near: str | None) -> None:
    """Catches 405 for a path that nobody knows, and a reply that does not say what there is."""
    async with ask() as asker:
        reply = await asker.client.request(method, path)
    assert fault(reply) == (404, "missing", None)
    message = reply.json()["error"]["message"]
    assert ("did you mean" in message) == bool(near)
    assert f"did you mean {near}?" in message or not near
    assert all(known in message for known in ("/v1/embeddings", "/v1/search", "/health", "/docs"))


async def test_one_model(ask: Ask) -> None:
    """Catches `client.models.retrieve(name)` that finds no route, and a name with a slash."""
    async with ask() as asker:
        (listed,) = (await asker.client.get("/v1/models")).json()["data"]
        assert (await asker.client.get(f"/v1/models/{listed['id']}")).json() == listed
        for name in ("nobody/knows", "nobody%2Fknows", f"{listed['id']}/x"):
            reply = await asker.client.get(f"/v1/models/{name}")
            assert fault(reply) == (404, "missing", None)
            assert f"this server has '{listed['id']}'" in reply.json()["error"]["message"]
