"""Where things stand, and how large.

Scene -> a cell for each thing drawn -> a size, and a place within the cell -> Spot

Cells do not overlap, so neither do things; what is left of another is so by its cell.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from nano.canvas import TILE, extent
from nano.scenes import Scene, Size

SPANS: dict[
    int, dict[Size, tuple[int, int]]
] = {  # pixels at a tile of 60, by the cell's short side
    60: {"small": (16, 20), "medium": (28, 34), "big": (45, 52)},
    40: {"small": (16, 18), "medium": (23, 27), "big": (34, 39)},
    30: {"small": (16, 17), "medium": (21, 23), "big": (28, 29)},
    20: {"medium": (18, 19)},
}


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
