"""Made-up vectors that lie as a model's do, or worse, and the records they are vectors of.

World -> Drawer -> unit rows and queries -> record of each row, with a caption and a thumbnail

The quick search looks at signs first, and random directions are the wrong test of signs: in them
nothing has neighbours, so that the "nearest" are hardly nearer than the rest, and no few bits tell
them apart. Vectors of a language model lie in clusters, in far fewer dimensions than they have, all
to one side of the origin, some dimensions much wider than others. `clustered` is made so; `hard` is
without clusters; `isotropic` is the worst case.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e5v.search.entries import Entry
from e5v.search.records import Source
from e5v.search.table_rows import Record
from e5v.vectors import unit

THUMBNAIL = 4_000  # bytes
SPREAD = 0.7  # of the logarithm of a dimension's width
WITHIN = 0.7  # how wide a cluster is, beside how far they lie apart
GAP = 0.4  # length of the shift of half of the queries
QUERIES = 2**40  # a seed that is no row's number


@dataclass(frozen=True)
class World:
    """How vectors lie: about `centres` points (0: about none) of a space of `rank` dimensions.

    `mean` is the length of what they share, `noise` of what is of each alone, in all dimensions.
    A rank of 0 is all dimensions alike: no structure at all.
    """

    name: str
    centres: int
    rank: int
    mean: float
    noise: float


WORLDS = (
    World("clustered", centres=2_000, rank=384, mean=0.8, noise=0.4),
    World("hard", centres=0, rank=384, mean=0.8, noise=0.4),
    World("isotropic", centres=0, rank=0, mean=0.0, noise=1.0),
)


class Drawer:
    """Draws vectors of a world."""

    def __init__(self, world: World, dim: int) -> None:
        fixed = np.random.default_rng(0)
        widths = np.exp(SPREAD * fixed.standard_normal(dim, np.float32))
        self.world, self.dim = world, dim
        self._mean, self._shift = unit(fixed.standard_normal((2, dim), np.float32) * widths)
        basis = fixed.standard_normal((world.rank, dim), np.float32) * widths
        basis *= (np.arange(1, world.rank + 1, dtype=np.float32) ** -0.5)[:, None]
        self._basis = basis / max(1e-9, float(np.linalg.norm(basis)))
        self._centres = fixed.standard_normal((world.centres, world.rank), np.float32)

    def rows(self, count: int, seed: int, *, moved: bool = False) -> NDArray[np.float32]:
        """Return unit rows (count, dim); `moved` shifts every second one."""
        draw = np.random.default_rng([1, seed])
        rows = draw.standard_normal((count, self.dim), np.float32)
        rows *= self.world.noise / self.dim**0.5
        if not self.world.rank:
            return unit(rows)
        inner = draw.standard_normal((count, self.world.rank), np.float32)
        if self.world.centres:
            inner *= WITHIN
            inner += self._centres[draw.integers(0, self.world.centres, count)]
        rows += inner @ self._basis + self.world.mean * self._mean
        if moved:
            rows[::2] += GAP * self._shift
        return unit(rows)

    def queries(self, count: int) -> NDArray[np.float32]:
        """Return unit rows (count, dim) that are no row of the world; half are shifted."""
        return self.rows(count, QUERIES, moved=True)


def record(number: int, row: NDArray[np.float32]) -> Record:
    """Make up what an index keeps of a row: one in four is a caption, the others are photos."""
    is_text = number % 4 == 0
    path = f"/made/up/photos/of/{number % 97}/{number:08d}.{'txt' if is_text else 'jpg'}"
    entry = Entry(
        id=f"{number:032x}",
        path=path,
        kind="text" if is_text else "image",
        part=int(is_text),
        size=3_000_000,
        mtime=number,
        digest=f"{number:032x}",
        text=f"a made-up caption of what is to be seen in photo {number}",
        thumbnail=b"" if is_text else np.random.default_rng(number).bytes(THUMBNAIL),
        width=0 if is_text else 4_000,
        height=0 if is_text else 3_000,
    )
    return Record(entry, Source(path, 3_000_000, number, 1), row)
