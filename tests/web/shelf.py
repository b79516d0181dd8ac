"""An index of a few entries in memory, with what the server asks of one.

entries + vectors -> Shelf, read as `e5v.search.index.Index` is
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e5v import E5V
from e5v.errors import DataError, UsageError
from e5v.search.calibration import Calibration, Scale
from e5v.search.entries import KINDS, Entry, Filters, Hit
from e5v.search.index_model import fingerprint_of
from tests.web.asking import PHOTOS, picture

IMAGES = ("cat.jpg", "coffee.jpg", "rocket.jpg")
TEXTS = ("a cat on a table", "a rocket")
THUMBNAIL = picture(8, 6, "WEBP")


@dataclass
class Shelf:
    """Entries and their unit vectors (n, d); `version` grows with what is written."""

    shelved: list[Entry]
    rows: NDArray[np.float32]
    fingerprint: str
    model: str = "toy"
    version: int = 0
    seen: int = field(default=0, init=False)

    def __len__(self) -> int:
        """Count the entries."""
        return len(self.shelved)

    def check(self, fingerprint: str, model: str, dtype: str) -> None:
        """Refuse another model."""
        if fingerprint != self.fingerprint:
            raise DataError(f"made with {self.model}, this is {model}; give --model {self.model}")

    def kinds(self) -> dict[str, int]:
        """Count the entries of each kind."""
        kinds = [entry.kind for entry in self.shelved]
        return {kind: kinds.count(kind) for kind in ("image", "text")}

    def search(
        self,
        vector: NDArray[np.float32],
        *,
        k: int = 10,
        where: str | None = None,
        min_score: float | None = None,
        offline: bool = False,
    ) -> list[Hit]:
        """Find the nearest; the one filter that is known is `kind = 'image'`."""
        if where not in {None, "kind = 'image'"}:
            raise UsageError(f"the filter {where} cannot be understood")
        hits = [
            Hit(entry, float(row @ vector))
            for entry, row in zip(self.shelved, self.rows, strict=True)
            if not where or entry.kind == "image"
        ]
        near = [hit for hit in hits if min_score is None or hit.score >= min_score]
        return sorted(near, key=lambda hit: -hit.score)[:k]

    def search_kinds(
        self, query: NDArray[np.float32], k: int, filters: Filters, scale: Scale
    ) -> list[Hit]:
        """Find the best of each kind, in the order of a scale."""
        hits = self.search(query, k=len(self), where=filters.where, min_score=filters.min_score)
        kinds = {kind: [one for one in hits if one.entry.kind == kind] for kind in KINDS}
        order = scale.merge({kind: [one.score for one in some] for kind, some in kinds.items()})
        return [kinds[kind][place] for kind, place in order[:k]]

    def calibration(self) -> Calibration:
        """Tell what cosines mean."""
        kinds = np.array([entry.kind for entry in self.shelved], str)
        return Calibration({kind: self.rows[kinds == kind] for kind in KINDS if kind in kinds})

    def get(self, id: str) -> Entry | None:
        """Return an entry."""
        return next((entry for entry in self.shelved if entry.id == id), None)

    def newest(
        self,
        kind: str | None = None,
        limit: int = 100,
        offset: int = 0,
        *,
        where: str | None = None,
        oldest: bool = False,
    ) -> list[Entry]:
        """Return entries, the newest first; no filter is known."""
        if where is not None:
            raise UsageError(f"the filter {where} cannot be understood")
        found = [entry for entry in self.shelved if kind in {None, entry.kind}]
        found.sort(key=lambda entry: -entry.mtime, reverse=oldest)
        return found[offset : offset + limit]

    def entries(self, ids: Sequence[str]) -> list[Entry]:
        """Return entries in the order of their ids."""
        return [found for id in ids if (found := self.get(id))]

    def vector(self, id: str) -> NDArray[np.float32] | None:
        """Return the vector of an entry."""
        ids = [entry.id for entry in self.shelved]
        return self.rows[ids.index(id)] if id in ids else None

    def vectors(self, limit: int | None = None) -> tuple[list[str], NDArray[np.float32]]:
        """Return ids and vectors."""
        return [entry.id for entry in self.shelved][:limit], self.rows[:limit]

    def refresh(self) -> bool:
        """Tell whether something was written since the last look."""
        self.seen, before = self.version, self.seen
        return self.seen != before


def entry(id: str, path: Path, *, text: str = "", thumbnail: bytes = b"") -> Entry:
    """Make an entry: an image where it has a thumbnail, else a text."""
    return Entry(
        id=id,
        path=str(path),
        kind="image" if thumbnail else "text",
        part=0,
        size=1,
        mtime=1,
        digest=id,
        text=text,
        thumbnail=thumbnail,
        width=4,
        height=3,
    )


def photos_and_texts(model: E5V) -> Shelf:
    """Put photos with captions and texts on a shelf."""
    entries = [
        entry(f"{name}#0/1", PHOTOS / name, text=name[:-4], thumbnail=THUMBNAIL) for name in IMAGES
    ]
    entries += [entry(text, PHOTOS / "notes.txt", text=text) for text in TEXTS]
    rows = model.encode([*(PHOTOS / name for name in IMAGES), *TEXTS])
    return Shelf(entries, rows, fingerprint_of(model))
