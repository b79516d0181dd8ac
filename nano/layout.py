"""Where things stand in a picture, how large they are, and what each patch shows.

Scene -> a cell for each thing drawn -> a size, and a place within the cell -> Spot
what covers a patch -> PatchLabels -> Drawing: pixels, and a label for every patch

Cells do not overlap, so neither do things; what is left of another is so by its cell.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nano.scenes import Scene, Shape, Size

TILE = 60  # pixels along the side of a tile, as the model sees it
SIDE = 5  # patches along the side of a tile
GRIDS: dict[Shape, tuple[int, int]] = {
    "square": (1, 1),
    "wide": (1, 2),
    "tall": (2, 1),
}  # rows, columns of tiles
SPANS: dict[
    int, dict[Size, tuple[int, int]]
] = {  # pixels at a tile of 60, by the cell's short side
    60: {"small": (16, 20), "medium": (28, 34), "big": (45, 52)},
    40: {"small": (16, 18), "medium": (23, 27), "big": (34, 39)},
    30: {"small": (16, 17), "medium": (21, 23), "big": (28, 29)},
    20: {"medium": (18, 19)},
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture and what is where.

    pixels: "height width 3", RGB in [0, 255]. labels: "rows columns", one for each patch: the
    place of a concept, or the number of concepts plus that of the background's colour; -1 where
    it is lettering.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


class PatchLabels:
    """The label that covers the most of each patch, beside one that they all have before."""

    def __init__(self, shape: Shape, tile: int, before: int, least: float) -> None:
        """Start with no patch covered; what covers less than `least` of one is not its label."""
        self._side = tile // SIDE
        self._rows, self._columns = (count * SIDE for count in GRIDS[shape])
        self.labels = np.full((self._rows, self._columns), before, dtype=np.int64)
        self._most = np.full(self.labels.shape, least * self._side**2, dtype=np.float32)

    def cover(self, label: int, sheet: NDArray[np.float32]) -> None:
        """Lay a label over patches, by how much of each pixel it covers, "height width"."""
        parted = sheet.reshape(self._rows, self._side, self._columns, self._side)
        shown = parted.sum(axis=(1, 3), dtype=np.float32)
        self.labels[shown > self._most] = label
        np.maximum(self._most, shown, out=self._most)


def extent(shape: Shape, tile: int) -> tuple[int, int]:
    """Return height and width in pixels."""
    rows, columns = GRIDS[shape]
    return rows * tile, columns * tile


@dataclass(frozen=True, slots=True)
class Cell:
    """A rectangle, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Spot:
    """A concept in a square of the canvas: `left` and `top` of it, in pixels."""

    concept: int
    left: int
    top: int
    pixels: int


def spots(scene: Scene, rng: random.Random, tile: int) -> list[Spot]:
    """Place all that a scene shows."""
    cells = _cells(scene, rng, tile)
    things = scene.things * scene.count if scene.kind == "count" else scene.things
    found = []
    for thing, cell in zip(things, cells, strict=True):
        short = min(cell.width, cell.height) * TILE // tile
        low, high = SPANS[short][thing.size]
        pixels = rng.randint(low, high) * tile // TILE
        left = cell.left + _jitter(rng, cell.width - pixels, scene)
        top = cell.top + _jitter(rng, cell.height - pixels, scene)
        found.append(Spot(thing.concept, left, top, pixels))
    return found


def _jitter(rng: random.Random, slack: int, scene: Scene) -> int:
    """Return how far from the edge: anywhere if alone, else nearer to the middle of a long side."""
    if scene.kind == "one":
        return rng.randint(0, slack)
    return round(slack * rng.uniform(0.15, 0.85))


def _cells(scene: Scene, rng: random.Random, tile: int) -> Sequence[Cell]:
    height, width = extent(scene.shape, tile)
    if scene.kind == "four":
        return _grid(2, 2, height, width)
    if scene.kind == "count" and scene.shape == "square":
        return rng.sample(_grid(2, 2, height, width), scene.count)
    down = scene.relation == "above" or (scene.relation is None and scene.shape == "tall")
    rows, columns = (scene.count, 1) if down else (1, scene.count)
    return _grid(rows, columns, height, width)


def _grid(rows: int, columns: int, height: int, width: int) -> list[Cell]:
    """Part the canvas evenly, in reading order."""
    across, down = width // columns, height // rows
    return [
        Cell(column * across, row * down, across, down)
        for row in range(rows)
        for column in range(columns)
    ]
