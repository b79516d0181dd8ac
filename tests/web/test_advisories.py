"""What brought others' servers down or let strangers in, tried on this one.

The addresses that a URL may lead to are tried in test_fetching.py: GHSA-3f6c-7fw2-ppm4 (images
fetched from inside the network) and CVE-2026-24779 (an allow-list that two parsers read otherwise).
"""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e5v import E5V
from e5v.web.service import Settings
from tests.web.asking import Ask, data_uri, fault, picture, vectors

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("allowed", [frozenset[str](), frozenset({"pictures.example"})])
@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:8000/metrics",
        "http://pictures.example\\@127.0.0.1/",
        "HTTP://[::ffff:127.0.0.1]/",
        "file:///etc/passwd",
    ],
)
async def test_no_url_leads_into_the_network(ask: Ask, url: str, allowed: frozenset[str]) -> None:
    """Catches GHSA-3f6c-7fw2-ppm4 and CVE-2026-24779 by every route that takes an image."""
    part = {"type": "image_url", "image_url": {"url": url}}
    async with ask(Settings(domains=allowed)) as asker:
        replies = [
            await asker.embeddings(input={"image": url}),
            await asker.embeddings(messages=[{"role": "user", "content": [part]}]),
            await asker.client.post("/v2/embed", json={"images": [url]}),
            await asker.client.post("/v2/embed", json={"inputs": [{"content": [part]}]}),
        ]
    assert [fault(reply) for reply in replies] == [(422, "item", 0)] * 4


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 2), (3, 900), (900, 2)])
async def test_a_tiny_image(ask: Ask, model: E5V, size: tuple[int, int]) -> None:
    """Catches CVE-2026-22773: one pixel ended the server; here others must not even notice."""
    async with ask() as asker:
        reply = await asker.embeddings(input=["a", {"image": data_uri(picture(*size))}])
        after = await asker.embeddings(input=["a"])
    assert reply.status_code == 200 or fault(reply) == (422, "item", 1)
    np.testing.assert_allclose(vectors(after), model.encode(["a"]), atol=1e-5)


async def test_thousands_of_frames_in_one_data_uri(
    ask: Ask, model: E5V, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches CVE-2026-5497: frames joined by commas, or in one file, all of them decoded."""
    frame = data_uri(picture(20, 20, "JPEG")).partition(",")[2]
    frames = [Image.new("RGB", (40, 30), (0, 0, place % 256)) for place in range(500)]
    loads = 0
    before = Image.Image.load

    def load(picture: Image.Image) -> Any:
        nonlocal loads
        loads += 1
        return before(picture)

    async with ask() as asker:
        for kind in ("video/jpeg", "image/jpeg"):
            uri = f"data:{kind};base64," + ",".join([frame] * 3000)
            assert fault(await asker.embeddings(input={"image": uri})) == (422, "item", 0)
        for kind in ("GIF", "WEBP", "PNG"):
            file = io.BytesIO()
            frames[0].save(file, kind, save_all=True, append_images=frames[1:])
            monkeypatch.setattr(Image.Image, "load", load)
            reply = await asker.embeddings(input={"image": data_uri(file.getvalue())})
            monkeypatch.undo()
            np.testing.assert_allclose(vectors(reply), model.encode([file.getvalue()]), atol=1e-5)
    assert loads < 100
