"""`/v1/items`, `/v1/files` and `/v1/thumbnails`: the files of the index, and no others."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.web.asking import CAT, PHOTOS, Ask, fault, picture
from tests.web.shelf import IMAGES, Shelf

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "id", ["nobody", "../../etc/passwd", "%2e%2e%2fetc%2fpasswd", str(CAT), "cat.jpg#0/1/../1"]
)
@pytest.mark.parametrize("kind", ["items", "thumbnails", "files"])
async def test_no_file_but_those_of_the_index(ask: Ask, shelf: Shelf, kind: str, id: str) -> None:
    """Catches an id that is taken for a path."""
    async with ask() as asker:
        reply = await asker.client.get(f"/v1/{kind}/{id}")
    assert fault(reply)[0] == 404


async def test_an_entry_that_is_no_image_file_any_more(ask: Ask, shelf: Shelf) -> None:
    """Catches a file of another kind that is served because an entry points at it."""
    shelf.shelved[0] = replace(shelf.shelved[0], path="/etc/passwd")
    shelf.shelved[1] = replace(shelf.shelved[1], path=str(PHOTOS / "gone.jpg"))
    async with ask() as asker:
        for name in IMAGES[:2]:
            reply = await asker.client.get(f"/v1/items/{name}%230%2F1")
            assert fault(reply) == (404, "missing", None)


async def test_a_link_that_took_the_place_of_an_image(
    ask: Ask, shelf: Shelf, tmp_path: Path
) -> None:
    """Catches any file of the server that is sent once an indexed name links to it."""
    secret, image, film = (tmp_path / name for name in ("secret", "a.png", "b.mp4"))
    secret.write_text("<script>the key</script>")
    image.symlink_to(secret)
    film.symlink_to(secret)
    shelf.shelved[0] = replace(shelf.shelved[0], path=str(image))
    shelf.shelved[1] = replace(shelf.shelved[1], path=f"{film}#t=1")
    async with ask() as asker:
        for kind, name in (("items", IMAGES[0]), ("files", IMAGES[0]), ("files", IMAGES[1])):
            reply = await asker.client.get(f"/v1/{kind}/{name}%230%2F1")
            assert fault(reply) == (404, "missing", None)
            assert b"the key" not in reply.content
        image.unlink()
        image.write_bytes(picture(8, 6, "JPEG"))  # of another format than its name says
        reply = await asker.client.get(f"/v1/items/{IMAGES[0]}%230%2F1")
    assert reply.content == image.read_bytes()
