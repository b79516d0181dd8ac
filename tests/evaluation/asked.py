"""What is asked of an embedder, told by the items themselves; and files that stand for images."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from e5v.evaluation.tasks import Material, Pool, Search
from e5v.inputs import RawItem


def write(file: Path, value: object = None) -> None:
    """Write JSON, or an empty file that stands for an image."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("" if value is None else json.dumps(value))


def read(file: Path) -> Any:
    """Read JSON."""
    return json.loads(file.read_text())


def touch(folder: Path, paths: Iterable[str]) -> None:
    """Make files that stand for images; their readers do not open them."""
    for path in paths:
        write(folder / path)


def write_cirr(folder: Path) -> Path:
    """Write a CIRR of five images, two queries to measure and two to submit."""
    names = [f"dev-{n}-0-img0" for n in range(5)]
    rows = [
        {
            "pairid": 12 + place,
            "reference": names[reference],
            "target_hard": names[target],
            "target_soft": {names[target]: 1.0},
            "caption": caption,
            "img_set": {"id": place, "members": [names[n] for n in members]},
        }
        for place, (reference, target, caption, members) in enumerate(
            [(0, 1, "with two dogs", (2, 0, 1)), (3, 4, "in the snow", (3, 0, 4))]
        )
    ]
    paths = {name: f"./dev/{name}.png" for name in names}
    for split in ("val", "test1"):
        write(folder / f"captions/cap.rc2.{split}.json", rows)
        write(folder / f"image_splits/split.rc2.{split}.json", paths)
        rows = [{key: row[key] for key in row if not key.startswith("target")} for row in rows]
    touch(folder, paths.values())
    return folder


def searches_of(material: Material) -> tuple[Search, Search]:
    """Give the two searches: for images, and for texts."""
    images, texts = material.tasks
    assert isinstance(images, Search)
    assert isinstance(texts, Search)
    return images, texts


def told(task: Search) -> dict[RawItem, list[RawItem]]:
    """Say what is right for each query: the items themselves, not their places."""
    (queries,) = task.queries
    found = task.candidates.items
    pairs = zip(queries.items, task.relevance.true, strict=True)
    return {query: [found[place] for place in true] for query, true in pairs}


def items_of(pool: Pool) -> Any:
    """Return the items of a pool, to look into: a user's item may be of many types."""
    return pool.items
