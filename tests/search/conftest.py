"""What tests of search share: a small model that counts what it embeds, and a folder to follow."""

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from e5v import E5V
from e5v.model.streaming import Encoded, Skipped
from e5v.search.gallery import Gallery, Progress
from e5v.search.query import facts_of
from e5v.search.writer import writing


class Counting:
    """A model, and the items that it was given to embed."""

    def __init__(self, model: E5V) -> None:
        self.model = model
        self.given: list[Any] = []

    def encode_iter(self, items: Iterable[Any], **options: Any) -> Iterator[Encoded | Skipped]:
        """Embed a stream of items."""

        def note() -> Iterator[Any]:
            for item in items:
                self.given.append(item)
                yield item

        return self.model.encode_iter(note(), **options)


class Followed:
    """A folder, and an index that follows it."""

    def __init__(self, model: E5V, folder: Path, index: Path) -> None:
        self.model, self.folder, self.index = model, folder, index
        self.faults: list[str] = []
        self.given: list[Any] = []

    def follow(self, *roots: Path, emptied: bool = False) -> Progress:
        """Bring the index up to date in a run of its own; note what was embedded and what not."""
        for progress in self.steps(*roots, emptied=emptied):
            last = progress
        return last

    def steps(self, *roots: Path, emptied: bool = False) -> Generator[Progress, None, None]:
        """Bring the index up to date, step by step."""
        counting = Counting(self.model)
        self.given = counting.given
        paths = [str(root) for root in roots or (self.folder,)]
        with writing(self.index, lambda: facts_of(self.model, "small")) as writer:
            gallery = Gallery(writer, lambda: counting)  # type: ignore[arg-type, return-value]
            yield from gallery.follow(paths, emptied=emptied)
            self.faults = [str(fault) for fault in gallery.faults]
            self.faults += [f"{one.path} {one.reason}" for one in gallery.unlisted]


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
    (folder / "movie.mp4").write_bytes(b"no image")
    return Followed(model, folder, tmp_path / "index")
