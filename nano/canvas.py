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


def extent(shape: Shape, tile: int) -> tuple[int, int]:
    """Return height and width in pixels."""
    rows, columns = TILES[shape]
    return rows * tile, columns * tile
