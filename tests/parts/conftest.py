"""What tests of parts share: a small model, and a collection of photos and lines."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
import pytest

from e5v import E5V
from e5v.parts.job import PartsProgress, encode_parts


@pytest.fixture(scope="session")
def small_folder(checkpoints: Callable[[str], Path]) -> Path:
    """Give the folder of a small model."""
    return checkpoints("llava_next_llama3")


@pytest.fixture(scope="session")
def model(small_folder: Path) -> E5V:
    """Open that model."""
    return E5V(small_folder, dtype="float32")


@dataclass(frozen=True)
class Collection:
    """Four photos, one of them broken, and five lines: nine rows, in parts of two."""

    model: E5V
    photos: Path
    lines: Path
    out: Path

    def encode(self, *, photos: bool = True, **options: object) -> PartsProgress:
        """Encode it, or its lines alone, as one worker, and return how far it came."""
        given = {"part_rows": 2, "model": self.model} | options
        inputs = [self.photos, self.lines] if photos else [self.lines]
        *_, done = encode_parts(inputs, self.out, **given)  # type: ignore[arg-type]
        return done

    @property
    def parts(self) -> dict[str, bytes]:
        """The content of every part, by the name of its file."""
        return {path.name: path.read_bytes() for path in sorted(self.out.glob("*.parquet"))}


@pytest.fixture
def collection(model: E5V, tmp_path: Path, photos: list[PIL.Image.Image]) -> Collection:
    """Make the collection."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name, photo in zip(("a.png", "deep/c.png", "d.png"), photos, strict=False):
        photo.save(folder / name)
    (folder / "b.png").write_bytes(b"no image")
    (folder / "note.txt").write_text("no image")
    lines = tmp_path / "lines.jsonl"
    items: list[object] = ["one", {"text": "two", "id": 7}, {"text": "three"}, 17, "five"]
    lines.write_text("\n".join(map(json.dumps, items)))
    return Collection(model, folder, lines, tmp_path / "parts")
