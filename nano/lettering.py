"""A caption as an image: small black letters on white.

text -> words -> lines that fit -> the largest size at which all lines fit -> Drawing
"""

import random
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nano.canvas import PATCHES, TILE, TILES, Drawing, extent
from nano.scenes import Shape

FONT = Path(__file__).parents[1] / "src" / "e5v" / "assets" / "fonts" / "LiberationSans-Regular.ttf"
SIZES = (11, 10, 9, 8, 7)  # pixels at a tile of 60, tried in this order
MARGIN = 2


def letter(text: str, shape: Shape, rng: random.Random, *, tile: int = TILE) -> Drawing:
    """Write a text as large as it fits; `rng` moves it about a little.

    What does not fit at the smallest size runs over the edge.
    """
    height, width = extent(shape, tile)
    margin = MARGIN * tile // TILE
    sizes = [size * tile // TILE for size in SIZES]
    start = rng.randrange(2)  # not always the largest
    for size in sizes[start:]:
        lines = wrap(text, size, width - 2 * margin)
        if len(lines) * size <= height - margin:
            break
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    x = margin + rng.randrange(max(1, width - 2 * margin - widest(lines, size) + 1))
    y = rng.randrange(max(1, height - margin - len(lines) * size + 1))
    for line in lines:
        draw.text((x, y), line, font=face(size), fill=0, anchor="la")
        y += size
    rows, columns = TILES[shape]
    labels = np.full((rows * PATCHES, columns * PATCHES), -1, dtype=np.int64)
    return Drawing(np.repeat(np.asarray(image)[..., None], 3, axis=2), labels)


def wrap(text: str, size: int, width: int) -> list[str]:
    """Part a text into lines of as many words as fit."""
    lines: list[str] = []
    length = 0.0
    for word in text.split():
        if lines and length + _length(f" {word}", size) <= width:
            lines[-1] += f" {word}"
            length += _length(f" {word}", size)
        else:
            lines.append(word)
            length = _length(word, size)
    return lines


@cache
def _length(word: str, size: int) -> float:
    return face(size).getlength(word)


def widest(lines: list[str], size: int) -> int:
    """Return the pixels of the longest line."""
    return max((int(face(size).getlength(line)) for line in lines), default=0)


@cache
def face(size: int) -> ImageFont.FreeTypeFont:
    """Return our own font at a size."""
    return ImageFont.truetype(FONT, size, layout_engine=ImageFont.Layout.BASIC)
