"""A folder that an index follows: what was embedded, what is found, and whether it is right."""

import json
import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from e5v import E5V
from e5v.model.encoded import Encoded, Skipped
from e5v.search.entries import Entry
from e5v.search.index import Index
from e5v.search.index_model import manifest_of
from e5v.search.progress import Progress
from e5v.search.sync import FolderSync
from e5v.search.writer import writing

WHOLE = {
    ("a.png", 0),
    ("photos/b.jpg", 0),
    ("photos/deep/c.WEBP", 0),
    *(("note.md", part) for part in (1, 2, 3)),
}

EMPTY = "is empty; its entries are kept offline until it has lines again"
UNFINISHED = "was being written; its entries are kept until the next run"


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
        self.away: tuple[str, ...] = ()
        self.left_out: dict[str, int] = {}
        self.system_folders: set[str] = set()

    def follow(self, *roots: Path, forget: bool = False) -> Progress:
        """Bring the index up to date in a run of its own; note what was embedded and what not."""
        for progress in self.steps(*roots, forget=forget):
            last = progress
        return last

    def steps(self, *roots: Path, forget: bool = False) -> Generator[Progress, None, None]:
        """Bring the index up to date, step by step."""
        counting = Counting(self.model)
        self.given = counting.given
        paths = [str(root) for root in roots or (self.folder,)]
        with writing(self.index, lambda: manifest_of(self.model, "small")) as writer:
            sync = FolderSync(writer, lambda: counting)
            yield from sync.follow(paths, forget=forget)
            self.away = sync.changes.away
            self.system_folders = set(sync.changes.system_folders)
            self.left_out = dict(sync.changes.left_out.counts)
            self.faults = [str(fault) for fault in sync.faults]
            self.faults += [f"{one.path} {one.reason}" for one in sync.changes.unlisted]

    def tidy(self) -> None:
        """Free what old versions take, as the end of a run does."""
        with writing(self.index, lambda: manifest_of(self.model, "small")) as writer:
            writer.tidy()


def entries(followed: Followed) -> dict[tuple[str, int], Entry]:
    """Return every entry by its path in the folder, and part."""
    index = Index.open(followed.index)
    listed = index.entries(index.vectors()[0])
    assert len({(one.path, one.part) for one in listed}) == len(listed) == len(index)
    return {(os.path.relpath(one.path, followed.folder), one.part): one for one in listed}


def check_vectors(followed: Followed) -> None:
    """Compare every vector with what the model says of the file."""
    index = Index.open(followed.index)
    for entry in index.entries(index.vectors()[0]):
        item = Path(entry.path) if entry.kind == "image" else {"text": entry.text}
        vector = index.vector(entry.id)
        assert vector is not None
        np.testing.assert_allclose(vector, followed.model.encode([item])[0], atol=2e-3)


def write_lines(path: Path, *lines: object) -> None:
    """Write JSON lines; a string is written as it is."""
    told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(told) + "\n")
