"""What tests of search share: a small model, and a folder to follow."""

from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest

from e5v import E5V
from tests.search.followed import Followed
from tests.search.stored import Machine


@pytest.fixture(scope="session")
def model(checkpoints: Callable[[str], Path]) -> E5V:
    """Open a small model."""
    return E5V(checkpoints("llava_next_llama3"), dtype="float32")


@pytest.fixture
def followed(model: E5V, tmp_path: Path, photos: list[PIL.Image.Image]) -> Followed:
    """Give a folder of three photos and a text of three passages, not yet indexed."""
    folder = tmp_path / "things"
    (folder / "photos" / "deep").mkdir(parents=True)
    for name, photo in zip(("a.png", "photos/b.jpg", "photos/deep/c.WEBP"), photos, strict=False):
        photo.save(folder / name)
    (folder / "note.md").write_text("\n\n".join(letter * 600 for letter in "xyz"))
    (folder / ".hidden.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "sound.mp3").write_bytes(b"no image")
    return Followed(model, folder, tmp_path / "index")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Be a machine with a cache of its own, first the one called "here"."""

    def be(name: str) -> None:
        monkeypatch.setenv("E5V_CACHE", str(tmp_path / "caches" / name))

    be("here")
    return be
