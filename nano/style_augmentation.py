"""Another hand's drawing of the same thing, as far as pixels can tell.

premultiplied sprite -> hue, saturation | gray | flat colours | lines -> premultiplied sprite

The model sees two styles of art in training. What varies here is what other styles differ in: the
palette, how many tones, whether there are outlines and how strong, whether it is filled at all.
"""

import math
import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nano.scenes import flip

Pixels = NDArray[np.float32]
Restyle = Callable[[Pixels], Pixels]
GRAY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
LINED = 0.45  # how often there are outlines
BOLD = 0.4  # of these, how often they are a pen's rather than a pencil's


def sample_style(rng: random.Random) -> Restyle:
    """Draw a style: a function from sprite to sprite, "n n 4" in [0, 255]."""
    palette = _palette(rng)
    steps = rng.choice((0, 0, 0, 40, 64, 85))
    lift = rng.choice((0.0, 0.0, rng.uniform(0, 0.5)))
    line = rng.uniform(0.5, 1.0) if flip(rng, LINED) else 0.0
    bold = flip(rng, BOLD)
    ink = rng.choice((0.0, 0.0, 0.0, 0.0, 30.0, 255.0))

    def styled(sprite: Pixels) -> Pixels:
        out = sprite.copy()
        alpha = out[..., 3:]
        edges = _edges(sprite) if line else None
        colour = out[..., :3] @ palette
        if steps:
            np.round(colour / steps, out=colour)
            colour *= steps
        if lift:
            colour += lift * (alpha - colour)
        out[..., :3] = np.clip(colour, 0, alpha)
        if edges is None:
            return out
        return _drawn(out, (_spread(edges) if bold else edges) * line, ink)

    return styled


def _palette(rng: random.Random) -> Pixels:
    """Return a matrix that turns hues, and strengthens or weakens them, down to gray."""
    if flip(rng, 0.25):
        return np.eye(3, dtype=np.float32)
    saturation = 0.0 if flip(rng, 0.1) else rng.uniform(0.3, 1.6)
    angle = rng.gauss(0, 0.35)
    cos, sin = math.cos(angle), math.sin(angle)
    third, root = (1 - cos) / 3, math.sqrt(1 / 3) * sin
    turn = np.array(
        [
            [cos + third, third - root, third + root],
            [third + root, cos + third, third - root],
            [third - root, third + root, cos + third],
        ],
        dtype=np.float32,
    )
    strengthen = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * GRAY
    matrix: Pixels = (strengthen @ turn).T * rng.uniform(0.8, 1.15)
    return matrix.astype(np.float32)


def _edges(sprite: Pixels) -> Pixels:
    """Return in [0, 1] where a pen would go: along the rim, and where the tone changes."""
    alpha: Pixels = sprite[..., 3] / np.float32(255)
    tone = sprite[..., :3] @ GRAY / 255
    slope = np.abs(np.diff(tone, axis=0, prepend=0)) + np.abs(np.diff(tone, axis=1, prepend=0))
    rim = _spread(alpha) + _spread(-alpha)  # less the weakest beside it
    inner = np.clip(slope * 3 - 0.35, 0, 1) * alpha
    edges: Pixels = np.maximum(inner, rim)
    return edges.astype(np.float32)


def _spread(shade: Pixels) -> Pixels:
    """Let every pixel be as strong as the strongest of itself and the four beside it."""
    grown = shade.copy()
    np.maximum(grown[1:], shade[:-1], out=grown[1:])
    np.maximum(grown[:-1], shade[1:], out=grown[:-1])
    np.maximum(grown[:, 1:], shade[:, :-1], out=grown[:, 1:])
    np.maximum(grown[:, :-1], shade[:, 1:], out=grown[:, :-1])
    return grown


def _drawn(sprite: Pixels, edges: Pixels, ink: float) -> Pixels:
    """Lay lines of a tone over a sprite."""
    left = (1 - edges)[..., None]
    sprite *= left
    sprite += edges[..., None] * np.array([ink, ink, ink, 255], dtype=np.float32)
    return sprite
