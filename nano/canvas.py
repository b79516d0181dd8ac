"""The sheet that is drawn on: how large it is, and what each of its patches shows.

shape, tile -> height x width -> Drawing: pixels, and a label for every patch
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nano.scenes import Shape

TILE = 60  # pixels along the side of a tile, as the model sees it
PATCHES = 5  # along the side of a tile: 12 pixels each
TILES: dict[Shape, tuple[int, int]] = {"square": (1, 1), "wide": (1, 2), "tall": (2, 1)}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture and what is where.

    pixels: "height width 3", RGB in [0, 255]. labels: "rows columns", one for each patch: the
    place of a concept, or the number of concepts plus that of the background's colour; -1 where
    it is lettering.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


class Patchwork:
    """The label that covers the most of each patch, beside one that they all have before."""

    def __init__(self, shape: Shape, tile: int, before: int, least: float) -> None:
        """Start with no patch covered; what covers less than `least` of one is not its label."""
        self._side = tile // PATCHES
        self._rows, self._columns = (count * PATCHES for count in TILES[shape])
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
    rows, columns = TILES[shape]
    return rows * tile, columns * tile
