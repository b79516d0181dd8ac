"""A scene as a picture, and what each patch of it shows.

Scene -> background -> spots -> sprites, each in a style of its own -> light, blur -> Drawing
"""

import math
import random
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from nano.art import Art
from nano.concepts import CONCEPTS
from nano.layout import TILE, Drawing, PatchLabels, Spot, extent, spots
from nano.scenes import BACKGROUNDS, Scene, flip
from nano.style_augmentation import sample_style

Pixels = NDArray[np.float32]
COLOURS = {
    "white": (255, 255, 255),
    "black": (16, 16, 18),
    "gray": (136, 138, 142),
    "red": (214, 34, 34),
    "orange": (250, 136, 20),
    "yellow": (250, 214, 44),
    "green": (40, 154, 62),
    "blue": (40, 96, 226),
    "purple": (124, 48, 168),
    "pink": (252, 156, 200),
    "brown": (118, 72, 36),
}
RESTYLED = 0.75  # of the pictures for training
COVERED = 0.2  # of a patch: from here on it shows the thing


def draw(
    scene: Scene, rng: random.Random, art: Art, *, tile: int = TILE, augment: bool = False
) -> Drawing:
    """Draw a scene; `augment` varies everything that does not change what it shows."""
    height, width = extent(scene.shape, tile)
    canvas = _background(scene.background, height, width, rng if augment else None)
    ground = len(CONCEPTS) + BACKGROUNDS.index(scene.background)
    patch_labels = PatchLabels(scene.shape, tile, ground, COVERED * 255)
    # All things of one picture are of one hand; often it is the artist's own.
    style = sample_style(rng) if augment and flip(rng, RESTYLED) else None
    for spot in spots(scene, rng, tile):
        sprite = _sprite(spot, art, rng if augment else None)
        if style is not None:
            sprite = style(sprite)
        patch_labels.cover(spot.concept, _paste(canvas, sprite, spot))
    pixels = _lit(canvas, rng) if augment else canvas
    return Drawing(np.clip(pixels, 0, 255).astype(np.uint8), patch_labels.labels)


def _background(colour: str, height: int, width: int, rng: random.Random | None) -> Pixels:
    """Fill the canvas; augmented, with a shade of the colour that may run from side to side."""
    canvas = np.empty((height, width, 3), dtype=np.float32)
    red, green, blue = COLOURS[colour]
    if rng is None:
        canvas[:] = (red, green, blue)
        return canvas
    shade = rng.uniform(-16, 16)
    canvas[:] = [one + shade + rng.uniform(-10, 10) for one in (red, green, blue)]
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
    mask = np.zeros(canvas.shape[:2], dtype=np.float32)
    rows = slice(spot.top, spot.top + spot.pixels)
    columns = slice(spot.left, spot.left + spot.pixels)
    alpha = sprite[..., 3]
    mask[rows, columns] = alpha
    under = canvas[rows, columns]
    under *= (1 - alpha / 255)[..., None]
    under += sprite[..., :3]
    return mask


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
