"""A scene as a picture, and what each patch of it shows.

Scene -> a cell, a size and a place for each thing -> Spot
      -> background -> sprites, all of one hand -> light, blur -> Drawing: pixels, patch labels

Cells do not overlap, so neither do things; what is left of another is so by its cell.
"""

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from nano.art import Art, Pixels, sample_style
from nano.concepts import CONCEPTS, WORDINGS
from nano.scenes import BACKGROUNDS, Scene, Shape, Size, flip

TILE = 60  # pixels along the side of a tile, as the model sees it
SIDE = 5  # patches along the side of a tile
GRIDS: dict[Shape, tuple[int, int]] = {"square": (1, 1), "wide": (1, 2), "tall": (2, 1)}
SPANS: dict[int, dict[Size, tuple[int, int]]] = {  # pixels of a thing, by its cell's short side
    60: {"small": (16, 20), "medium": (28, 34), "big": (45, 52)},
    40: {"small": (16, 18), "medium": (23, 27), "big": (34, 39)},
    30: {"small": (16, 17), "medium": (21, 23), "big": (28, 29)},
    20: {"medium": (18, 19)},
}
COLOURS: dict[str, list[int]] = WORDINGS["rgb"]
RESTYLED = 0.75  # of the pictures for training
COVERED = 0.2  # of a patch: from here on it shows the thing


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture and what is where.

    pixels: "height width 3", RGB in [0, 255]. labels: "rows columns", one for each patch: the
    place of a concept, or the number of concepts plus that of the background's colour; -1 where
    it is lettering.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spot:
    """A concept in a square of the canvas: `left` and `top` of it, in pixels."""

    concept: int
    left: int
    top: int
    pixels: int


def extent(shape: Shape, tile: int) -> tuple[int, int]:
    """Return height and width in pixels."""
    rows, columns = GRIDS[shape]
    return rows * tile, columns * tile


def label_patches(
    covers: Iterable[tuple[int, Pixels]], shape: Shape, *, before: int, least: float
) -> NDArray[np.int64]:
    """Return the label that covers most of each patch: `before` where all cover less than `least`.

    A cover is a label and how much it covers of each pixel, "height width"; `least` is a mean.
    """
    rows, columns = extent(shape, SIDE)
    labels = np.full((rows, columns), before, dtype=np.int64)
    most = np.zeros(labels.shape, dtype=np.float32)
    for label, sheet in covers:
        side = len(sheet) // rows
        parted = sheet.reshape(rows, side, columns, side)
        shown = parted.sum(axis=(1, 3), dtype=np.float32)
        labels[shown > np.maximum(most, least * side**2)] = label
        np.maximum(most, shown, out=most)
    return labels


def draw(
    scene: Scene, rng: random.Random, art: Art, *, tile: int = TILE, augment: bool = False
) -> Drawing:
    """Draw a scene; `augment` varies everything that does not change what it shows."""
    height, width = extent(scene.shape, tile)
    canvas = _background(scene.background, height, width, rng if augment else None)
    # All things of one picture are of one hand; often it is the artist's own.
    style = sample_style(rng) if augment and flip(rng, RESTYLED) else None
    covers = []
    for spot in _spots(scene, rng, tile):
        sprite = _sprite(spot, art, rng if augment else None)
        sheet = _paste(canvas, style(sprite) if style else sprite, spot)
        covers.append((spot.concept, sheet))
    pixels = np.clip(_lit(canvas, rng) if augment else canvas, 0, 255).astype(np.uint8)
    ground = len(CONCEPTS) + BACKGROUNDS.index(scene.background)
    labels = label_patches(covers, scene.shape, before=ground, least=COVERED * 255)
    return Drawing(pixels, labels)


def _spots(scene: Scene, rng: random.Random, tile: int) -> list[Spot]:
    """Place all that a scene shows: in a grid, a column or a row of cells."""
    down = scene.relation == "above" or (scene.relation is None and scene.shape == "tall")
    rows, columns = (scene.count, 1) if down else (1, scene.count)
    cells = list(range(scene.count))
    if scene.kind == "four" or (scene.kind == "count" and scene.shape == "square"):
        rows, columns = 2, 2
        cells = rng.sample(range(4), scene.count) if scene.kind == "count" else cells
    height, width = extent(scene.shape, tile)
    height, width = height // rows, width // columns  # of a cell
    spans = SPANS[min(width, height) * TILE // tile]
    things = scene.things * scene.count if scene.kind == "count" else scene.things
    found = []
    for thing, cell in zip(things, cells, strict=True):
        pixels = rng.randint(*spans[thing.size]) * tile // TILE
        left = cell % columns * width + _jitter(rng, width - pixels, scene)
        top = cell // columns * height + _jitter(rng, height - pixels, scene)
        found.append(Spot(thing.concept, left, top, pixels))
    return found


def _jitter(rng: random.Random, slack: int, scene: Scene) -> int:
    """Return how far from the edge: anywhere if alone, else nearer to the middle of a long side."""
    return rng.randint(0, slack) if scene.kind == "one" else round(slack * rng.uniform(0.15, 0.85))


def _background(colour: str, height: int, width: int, rng: random.Random | None) -> Pixels:
    """Fill the canvas; augmented, with a shade of the colour that may run from side to side."""
    canvas = np.full((height, width, 3), COLOURS[colour], dtype=np.float32)
    if rng is None:
        return canvas
    shade = rng.uniform(-16, 16)
    canvas[:] = [one + shade + rng.uniform(-10, 10) for one in COLOURS[colour]]
    if flip(rng, 0.4):
        strength, angle = rng.uniform(4, 22), rng.uniform(0, 2 * math.pi)
        across = np.linspace(-strength, strength, width, dtype=np.float32) * math.cos(angle)
        down = np.linspace(-strength, strength, height, dtype=np.float32) * math.sin(angle)
        canvas += (down[:, None] + across)[..., None]
    return canvas


def _sprite(spot: Spot, art: Art, rng: random.Random | None) -> Pixels:
    """Return a concept's drawing at its size; augmented, turned a little and perhaps mirrored."""
    source, n = art.source(spot.concept, spot.pixels), spot.pixels
    if rng is None:
        image = source.resize((n, n), Image.Resampling.LANCZOS)
        pixels = np.asarray(image, dtype=np.float32).copy()
        np.minimum(pixels[..., :3], pixels[..., 3:], out=pixels[..., :3])  # LANCZOS overshoots
        return pixels
    angle = math.radians(rng.uniform(-12, 12))
    cos, sin = math.cos(angle), math.sin(angle)
    grow = source.width / n * math.sqrt(cos + abs(sin))
    stretch = rng.uniform(0.92, 1.08)
    mirror = -1 if flip(rng, 0.5) else 1
    a, b = cos * grow * mirror * max(stretch, 1), -sin * grow * mirror
    d, e = sin * grow, cos * grow * max(1 / stretch, 1)
    half, middle = n / 2, source.width / 2
    matrix = (a, b, middle - (a + b) * half, d, e, middle - (d + e) * half)
    image = source.transform((n, n), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32)


def _paste(canvas: Pixels, sprite: Pixels, spot: Spot) -> Pixels:
    """Lay a sprite over the canvas; return how much it covers, "height width" in [0, 255]."""
    sheet = np.zeros(canvas.shape[:2], dtype=np.float32)
    square = np.s_[spot.top : spot.top + spot.pixels, spot.left : spot.left + spot.pixels]
    sheet[square] = alpha = sprite[..., 3]
    canvas[square] *= (1 - alpha / 255)[..., None]
    canvas[square] += sprite[..., :3]
    return sheet


def _lit(canvas: Pixels, rng: random.Random) -> Pixels:
    """Vary light and contrast; at times blur, or add the grain of a poor camera."""
    contrast, light = rng.uniform(0.82, 1.15), rng.uniform(-16, 16)
    canvas *= contrast
    canvas += 128 * (1 - contrast) + light
    if flip(rng, 0.15):
        canvas += _grain(*canvas.shape[:2])[rng.randrange(8)] * rng.uniform(2, 9)
    if flip(rng, 0.2):
        image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
        blurred = image.filter(ImageFilter.BoxBlur(rng.uniform(0.3, 0.6)))
        return np.asarray(blurred, dtype=np.float32)
    return canvas


@cache
def _grain(height: int, width: int) -> Pixels:
    """Return eight sheets of noise, always the same."""
    noise = np.random.default_rng(0).standard_normal((8, height, width, 1))
    return noise.astype(np.float32)
