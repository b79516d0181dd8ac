"""Who is let in: the key, the name the server is asked under, and the site a request is from."""

import base64

import pytest

from e5v.errors import UsageError
from e5v.web.access import LOOPBACK, AccessRules, is_local
from e5v.web.origins import read_origin
from e5v.web.service import Settings
from tests.web.asking import URL, Ask, fault

pytestmark = pytest.mark.anyio

KEY = "a long secrät"  # a key is any text, and headers are bytes
ROUTES = ["/", "/docs", "/openapi.json", "/metrics", "/v1/models", "/v1/index", "/v1/map", "/nope"]
POSTS = ["/v1/embeddings", "/v2/embed", "/v1/search"]


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_every_route_asks_for_the_key(ask: Ask) -> None:
    """Catches a route that is left open, as others' /score and /pooling are."""
    async with ask(Settings(access=AccessRules(KEY))) as asker:
        assert set(POSTS) <= asker.app.openapi()["paths"].keys()
        replies = [await asker.client.get(path) for path in ROUTES]
        replies += [await asker.client.post(path, json={}) for path in POSTS]
        replies += [await asker.client.get(f"/v1/{kind}/x") for kind in ("items", "thumbnails")]
        for reply in replies:
            assert fault(reply) == (401, "key", None)
            assert reply.headers["www-authenticate"].startswith("Basic ")
        for path in ("/livez", "/readyz"):
            assert (await asker.client.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {KEY}", 200),
        (f"bearer {KEY}", 200),
        (_basic("me", KEY), 200),
        (_basic("", KEY), 200),
        ("Bearer", 401),
        ("Bearer a long secr", 401),
        (f"Bearer {KEY}x", 401),
        (_basic(KEY, ""), 401),
        ("Basic !", 401),
        (f"Digest {KEY}", 401),
    ],
)
async def test_keys(ask: Ask, authorization: str, status: int) -> None:
    """Catches a key that is compared by its beginning, and one that a browser cannot give."""
    headers = {"authorization": authorization.encode()}
    async with ask(Settings(access=AccessRules(KEY))) as asker:
        raw = [(name.encode(), value) for name, value in headers.items()]
        reply = await asker.client.get("/v1/models", headers=raw)
    assert reply.status_code == status
    assert KEY not in reply.text
    assert KEY not in repr(AccessRules(KEY))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("mine.example", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:8000", 403),
        ("[", 403),
    ],
)
async def test_the_name_of_a_local_server(ask: Ask, host: str, status: int) -> None:
    """Catches a page of another site that has had its own name resolve to this machine."""
    access = AccessRules(hosts=LOOPBACK | {"mine.example"})
    async with ask(Settings(access=access)) as asker:
        reply = await asker.client.get("/v1/models", headers={"host": host})
    assert reply.status_code == status


def test_which_servers_only_this_machine_reaches() -> None:
    """Catches a server on the network that is taken for a local one."""
    assert all(map(is_local, ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1"]))
    assert not any(map(is_local, ["0.0.0.0", "::", "192.168.1.2", "localhost.example", ""]))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": URL}, 200),
        ({"origin": "https://proxied.example"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": f"{URL}:81"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
    ],
)
async def test_pages_of_other_sites(ask: Ask, headers: dict[str, str], status: int) -> None:
    """Catches a page of another site that searches this collection through its reader's browser."""
    async with ask(Settings(access=AccessRules(sites=frozenset({"proxied.example"})))) as asker:
        reply = await asker.client.get("/v1/models", headers=headers)
        asked = await asker.client.options("/v1/search", headers={"origin": "http://evil.example"})
    assert reply.status_code == status
    assert "access-control-allow-origin" not in asked.headers


APP = "https://app.example"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang",
    "access-control-request-private-network": "true",
}


async def test_a_page_of_an_allowed_origin_asks_from_a_browser(ask: Ask) -> None:
    """Catches a preflight that needs a key, which browsers never send, and an unreadable refusal.

    The rest is as ever: other origins are refused, and the key is needed.
    """
    access = AccessRules(KEY, LOOPBACK | {"testserver"}, origins=frozenset({APP}))
    key = [(b"authorization", f"Bearer {KEY}".encode()), (b"origin", APP.encode())]
    async with ask(Settings(access=access)) as asker:
        first = await asker.client.options("/v1/embeddings", headers=PREFLIGHT | {"origin": APP})
        read = await asker.client.get("/v1/models", headers=key)
        keyless = await asker.client.get("/v1/models", headers={"origin": APP})
        other = {"origin": "https://evil.example"}
        evil = await asker.client.options("/v1/embeddings", headers=PREFLIGHT | other)
        asked = await asker.client.get("/v1/models", headers=[key[0], (b"origin", b"http://a.b")])
    allowed = first.headers["access-control-allow-headers"].replace(" ", "").lower()
    assert first.status_code == 200
    assert set(allowed.split(",")) >= {"authorization", "content-type", "x-stainless-lang"}
    assert first.headers["access-control-allow-private-network"] == "true"
    for reply, status in ((first, 200), (read, 200), (keyless, 401)):
        assert reply.status_code == status
        assert reply.headers["access-control-allow-origin"] == APP
        assert "access-control-allow-credentials" not in reply.headers
    assert evil.status_code == 400
    assert fault(asked) == (403, "origin", None)
    for reply in (evil, asked):
        assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://App.example/", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_origins_are_read_as_browsers_send_them(given: str, sent: str) -> None:
    """Catches an origin that is allowed and never recognised, for a slash or a capital."""
    assert read_origin(given) == sent


@pytest.mark.parametrize(
    "given",
    ["*", "app.example", "https://", "https://*.app.example", "https://a.b/page", "null", "file://",
     "https://a.b:x", "https://me@a.b", "ftp://a.b"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(given: str) -> None:
    """Catches a typing error that leaves the page of a team without replies, and no word why."""
    with pytest.raises(UsageError, match="expected the origin of a page, such as https://app"):
        read_origin(given)
