"""What tests of training share: a few triplets, a model's language part, a short recipe."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import e5v.model.encoder
from e5v.model.loading import Loaded, load
from e5v.training.contents import identify
from e5v.training.recipe import Adapter, Recipe
from e5v.training.triplets import Triplet
from tests.training.pictures import make_picture, write_lines

Checkpoints = Callable[[str], Path]
SUBJECTS = ("a dog", "two cats", "the old man", "a girl in a red coat", "some people")
DOINGS = ("runs over the field", "sleeps", "looks at the snow on the roof", "eats an apple")


def make_triplets(count: int) -> tuple[Triplet, ...]:
    """Return different triplets of different lengths; every third has no hard negative."""
    made = []
    for number in range(count):
        who, what = SUBJECTS[number % 5], DOINGS[number % 4]
        other = DOINGS[(number + 1) % 4]
        negatives = () if number % 3 == 2 else (f"{who} {other}",)
        made.append(Triplet(f"{who} {what}, take {number}", f"{who} is there {number}", negatives))
    return tuple(made)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the number of images in each run of the vision tower."""
    counts: list[int] = []
    real = e5v.model.encoder.image_tokens  # type: ignore[attr-defined]

    def count(model: Any, images: Any, *rest: Any) -> Any:
        counts.append(len(images))
        return real(model, images, *rest)

    monkeypatch.setattr(e5v.model.encoder, "image_tokens", count)
    return counts


@pytest.fixture
def triplets() -> tuple[Triplet, ...]:
    """Give twelve triplets."""
    return make_triplets(12)


@pytest.fixture
def nli(tmp_path: Path) -> Path:
    """Give a file of 40 triplets in SimCSE's columns."""
    rows = [",".join([*map(identify, row.items), ""][:3]) for row in _plain(40)]
    file = tmp_path / "nli.csv"
    file.write_text("\n".join(["sent0,sent1,hard_neg", *rows]) + "\n")
    return file


def _plain(count: int) -> list[Triplet]:
    rows = make_triplets(count)
    return [replace(row, anchor=identify(row.anchor).replace(",", " -")) for row in rows]


@pytest.fixture
def language(checkpoints: Checkpoints) -> Callable[[str], Loaded]:
    """Open the language part of a small checkpoint in float32, anew at every call."""
    return lambda name: load(checkpoints(name), dtype="float32", device="cpu", part="language")


@pytest.fixture
def short() -> Recipe:
    """Give a recipe of four steps that learns fast and has no dropout."""
    return Recipe(
        batch=8,
        steps=4,
        lr=1e-2,
        warmup=1,
        text_tokens=100,
        adapter=Adapter(rank=4, alpha=8, dropout=0.0),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of eight images with captions, named under images/."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    lines = []
    for number in range(8):
        make_picture(number).save(tmp_path / "data" / "images" / f"{number}.png")
        lines.append({"image": f"{number}.png", "text": f"noise number {number}"})
    write_lines(tmp_path / "data" / "captions.jsonl", lines)
    return tmp_path / "data"
