"""Stand-in pictures of many sizes and kinds, drawn by arithmetic, so that no file is stored.

name -> size and kind -> seeded noise on slopes, or bars of ink on white -> PIL image
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray


@dataclass(frozen=True)
class StandIn:
    """A picture: its width and height in pixels, and how its pixels become an image."""

    width: int
    height: int
    make: Callable[[NDArray[np.uint8]], PIL.Image.Image] = PIL.Image.fromarray


def _grey_16(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    return PIL.Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)


def _grey_12(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    return PIL.Image.fromarray(pixels[..., 0].astype(np.uint16) * 16)


def _grey(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    return PIL.Image.fromarray(pixels[..., 0])


def _seen_through(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    """Let a picture fade out to the right."""
    alpha = np.linspace(255, 0, pixels.shape[1]).round().astype(np.uint8)
    faded = np.broadcast_to(alpha[None, :, None], (*pixels.shape[:2], 1))
    return PIL.Image.fromarray(np.concatenate([pixels, faded], axis=2))


def _opaque(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    full = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return PIL.Image.fromarray(np.concatenate([pixels, full], axis=2))


def _grey_seen_through(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.asarray(_seen_through(pixels))[..., [0, 3]], "LA")


def _palette(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    picture = PIL.Image.fromarray(pixels[..., 0] // 64, "P")
    picture.putpalette([20, 30, 200, 240, 240, 40, 200, 20, 60, 10, 180, 90])
    return picture


def _palette_seen_through(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    picture = _palette(pixels)
    picture.info["transparency"] = 1  # this entry of the palette, as in a GIF
    return picture


def _floats(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    return PIL.Image.fromarray(pixels[..., 0].astype(np.float32) / 255)


def _black_and_white(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    return PIL.Image.fromarray(pixels[..., 0]).point(lambda grey: 255 * (grey > 120), "1")


def _inks(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    return PIL.Image.fromarray(pixels).convert("CMYK")


def _lines_of_ink(pixels: NDArray[np.uint8]) -> PIL.Image.Image:
    """Draw bars where a caption of two lines would have its letters."""
    page = np.full_like(pixels, 255)
    draw = np.random.default_rng(7)
    for top, last in ((165, 700), (205, 260)):
        for left in range(20, last, 22):
            height, width = draw.integers(12, 30), draw.integers(4, 18)
            page[top + 30 - height : top + 30, left : left + width] = 0
    return PIL.Image.fromarray(page)


# Tiles are 28 pixels: a photo of 640 x 480 fills a grid of 2 x 2 to 56 x 42.
SIZES = {
    "square": StandIn(56, 56),
    "wide": StandIn(640, 480),
    "tall": StandIn(333, 500),
    "very wide": StandIn(500, 110),
    "very tall": StandIn(90, 420),
    "strip": StandIn(400, 9),
    "odd rows": StandIn(500, 345),
    "odd columns": StandIn(345, 500),
    "odd rows of two tiles": StandIn(500, 239),
    "odd columns of two tiles": StandIn(179, 500),
    "a rounding apart": StandIn(488, 305),
    "another rounding apart": StandIn(41, 164),
    "tiny": StandIn(5, 4),
    "drawn caption": StandIn(800, 400, _lines_of_ink),
}
KINDS = {
    "grey": _grey,
    "palette": _palette,
    "black and white": _black_and_white,
    "CMYK": _inks,
    "opaque RGBA": _opaque,
    "RGBA": _seen_through,
    "grey with alpha": _grey_seen_through,
    "palette with a transparent entry": _palette_seen_through,
    "16-bit grey": _grey_16,
    "12-bit grey": _grey_12,
    "floating-point grey": _floats,
}
PICTURES = SIZES | {kind: StandIn(60, 44, make) for kind, make in KINDS.items()}


def draw(name: str) -> PIL.Image.Image:
    """Draw the stand-in of a name."""
    one = PICTURES[name]
    seed = sum(name.encode())
    noise = np.random.default_rng(seed).integers(0, 90, (one.height, one.width, 3))
    across = np.linspace(0, 160, one.width)[None, :, None] * np.array([1.0, 0.3, 0.1])
    down = np.linspace(0, 160, one.height)[:, None, None] * np.array([0.0, 0.6, 0.9])
    return one.make((noise + across + down).clip(0, 255).astype(np.uint8))
