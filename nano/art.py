"""The drawings of the concepts, in three styles, and other hands' drawings of the same.

font | PNG | SVG -> cut to the ink, square -> premultiplied, at a ladder of sizes -> .npz
sprite -> hue, saturation | gray | flat colours | lines -> a sprite as another hand draws it

    apt-get install fonts-noto-color-emoji librsvg2-bin
    npm install --prefix build/nano emoji-datasource-twitter@16.0.0 openmoji@17.0.0
    python -m nano.art

Noto (SIL OFL 1.1) and Twemoji (CC BY 4.0) are trained on. OpenMoji (CC BY-SA 4.0) is for the
test of an unseen style alone: nothing trained on it, and no picture of it, is passed on.
"""

import io
import math
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from e5v.files import replace_file
from nano.concepts import CONCEPTS
from nano.scenes import flip

Style = Literal["noto", "twemoji", "openmoji"]
STYLES: tuple[Style, ...] = get_args(Style)
FOLDER = Path("build/nano")
LEVELS = (18, 26, 37, 52, 74, 104)  # pixels; drawn from the next larger one, at most 1.45 times
PACKAGES = FOLDER / "node_modules"
TWEMOJI = PACKAGES / "emoji-datasource-twitter" / "img" / "twitter" / "64"
OPENMOJI = PACKAGES / "openmoji" / "color" / "svg"
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
STRIKE = 109  # the one size that the font has, as PIL asks for it
STRIKE_BOX = (136, 128)
SELECTOR = "\ufe0f"
GRAY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
LINED = 0.45  # how often there are outlines
BOLD = 0.4  # of these, how often they are a pen's rather than a pencil's
Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Art:
    """All concepts in one style.

    `levels[n]` holds every concept at n pixels, "concepts n n 4", premultiplied.
    """

    levels: dict[int, NDArray[np.uint8]]
    _images: dict[tuple[int, int], Image.Image] = field(default_factory=dict)

    def source(self, concept: int, pixels: int) -> Image.Image:
        """Return the smallest premultiplied drawing that need not grow, as four bands."""
        level = next((n for n in LEVELS if n >= pixels), LEVELS[-1])
        key = concept, level
        if key not in self._images:
            rows = self.levels[level][concept]
            self._images[key] = Image.frombytes("RGBX", (level, level), rows.tobytes())
        return self._images[key]


def load_art(style: Style, folder: Path = FOLDER) -> Art:
    """Load the drawings of a style; make them first where they are not there."""
    file = folder / f"{style}.npz"
    if not file.is_file():
        build_atlas(style, folder)
    with np.load(file) as stored:
        if [str(one) for one in stored["emoji"]] != [one.emoji for one in CONCEPTS]:
            raise ValueError(f"{file} is of other concepts; remove it, and it is made anew")
        return Art({level: stored[str(level)] for level in LEVELS})


def build_atlas(style: Style, folder: Path = FOLDER) -> None:
    """Draw all concepts at all sizes, and keep them."""
    squares = [_square(DRAWN[style](one.emoji)) for one in CONCEPTS]
    arrays: dict[str, Any] = {"emoji": np.array([one.emoji for one in CONCEPTS])}
    for level in LEVELS:
        arrays[str(level)] = np.stack([_resized(square, level) for square in squares])
    folder.mkdir(parents=True, exist_ok=True)
    with replace_file(folder / f"{style}.npz") as part, part.open("wb") as out:
        np.savez(out, **arrays)


def _square(image: Image.Image) -> Image.Image:
    """Cut to the ink, and fill up to a square."""
    box = image.getchannel("A").point(lambda a: 255 * (a > 16)).getbbox()  # noqa: PLR2004
    ink = image.crop(box)
    side = max(ink.size)
    square = Image.new("RGBA", (side, side))
    square.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    return square


def _resized(square: Image.Image, level: int) -> NDArray[np.uint8]:
    """Weigh colours by alpha, so that they can be resized and pasted as they are."""
    image = square.resize((level, level), Image.Resampling.LANCZOS)
    pixels = np.asarray(image).astype(np.uint16)
    pixels[..., :3] = (pixels[..., :3] * pixels[..., 3:] + 127) // 255
    return pixels.astype(np.uint8)


def _draw_noto(emoji: str) -> Image.Image:
    if not FONT.is_file():
        raise FileNotFoundError(f"no {FONT}; apt-get install fonts-noto-color-emoji")
    face = ImageFont.truetype(FONT, STRIKE)
    image = Image.new("RGBA", STRIKE_BOX)
    ImageDraw.Draw(image).text((0, 0), emoji.replace(SELECTOR, ""), font=face, embedded_color=True)
    return image


def _draw_twemoji(emoji: str) -> Image.Image:
    file = _file_of(emoji, TWEMOJI, "{:04x}", ".png")
    return Image.open(file, formats=["PNG"]).convert("RGBA")


def _draw_openmoji(emoji: str) -> Image.Image:
    file = _file_of(emoji, OPENMOJI, "{:04X}", ".svg")
    command = ["rsvg-convert", "--width", "160", "--height", "160", str(file)]
    png = subprocess.run(command, check=True, capture_output=True).stdout
    return Image.open(io.BytesIO(png), formats=["PNG"]).convert("RGBA")


def _file_of(emoji: str, folder: Path, code: str, suffix: str) -> Path:
    """Find a file by its code points, with or without the variation selector."""
    bare = emoji.replace(SELECTOR, "")
    for text in (emoji, bare, bare + SELECTOR):
        file = folder / f"{'-'.join(code.format(ord(one)) for one in text)}{suffix}"
        if file.is_file():
            return file
    raise FileNotFoundError(f"no drawing of {emoji} in {folder}; npm install it, see nano/art.py")


DRAWN: dict[Style, Callable[[str], Image.Image]] = {
    "noto": _draw_noto,
    "twemoji": _draw_twemoji,
    "openmoji": _draw_openmoji,
}


def sample_style(rng: random.Random) -> Callable[[Pixels], Pixels]:
    """Draw a hand: a function from premultiplied sprite to sprite, "n n 4" in [0, 255].

    The model sees two styles of art in training. What varies here is what others differ in: the
    palette, how many tones, whether there are outlines and how strong, whether it is filled.
    """
    palette = _palette(rng)
    steps = rng.choice((0, 0, 0, 40, 64, 85))
    lift = rng.choice((0.0, 0.0, rng.uniform(0, 0.5)))
    line = rng.uniform(0.5, 1.0) if flip(rng, LINED) else 0.0
    bold = flip(rng, BOLD)
    ink = rng.choice((0.0, 0.0, 0.0, 0.0, 30.0, 255.0))

    def styled(sprite: Pixels) -> Pixels:
        out = sprite.copy()
        alpha = out[..., 3:]
        colour = out[..., :3] @ palette
        if steps:
            np.round(colour / steps, out=colour)
            colour *= steps
        if lift:
            colour += lift * (alpha - colour)
        out[..., :3] = np.clip(colour, 0, alpha)
        if line:
            edges = _edges(sprite)
            edges = (_spread(edges) if bold else edges)[..., None] * line
            out *= 1 - edges
            out += edges * np.array([ink, ink, ink, 255], dtype=np.float32)
        return out

    return styled


def _palette(rng: random.Random) -> Pixels:
    """Return a matrix that turns hues, and strengthens or weakens them, down to gray."""
    if flip(rng, 0.25):
        return np.eye(3, dtype=np.float32)
    saturation = 0.0 if flip(rng, 0.1) else rng.uniform(0.3, 1.6)
    angle = rng.gauss(0, 0.35)
    cos, sin = math.cos(angle), math.sin(angle)
    third, root = (1 - cos) / 3, math.sqrt(1 / 3) * sin
    first = (cos + third, third - root, third + root)
    turn = np.array([np.roll(first, shift) for shift in range(3)], dtype=np.float32)
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
    for after, before in (np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]):
        np.maximum(grown[after], shade[before], out=grown[after])
        np.maximum(grown[before], shade[after], out=grown[before])
    return grown


if __name__ == "__main__":
    for each in STYLES:
        build_atlas(each)
