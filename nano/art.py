"""The drawings of the concepts, in three styles, ready to be pasted.

font | PNG | SVG -> cut to the ink, square -> premultiplied, at a ladder of sizes -> .npz

    apt-get install fonts-noto-color-emoji librsvg2-bin
    npm install --prefix build/nano emoji-datasource-twitter@16.0.0 openmoji@17.0.0
    python -m nano.art

Noto (SIL OFL 1.1) and Twemoji (CC BY 4.0) are trained on. OpenMoji (CC BY-SA 4.0) is for the
test of an unseen style alone: nothing trained on it, and no picture of it, is passed on.
"""

import io
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from e5v.files import replace_file
from nano.concepts import CONCEPTS

Style = Literal["noto", "twemoji", "openmoji"]
STYLES: tuple[Style, ...] = get_args(Style)
FOLDER = Path("build/nano")
LEVELS = (18, 26, 37, 52, 74, 104)  # pixels; drawn from the next larger one, at most 1.45 times
PACKAGES = FOLDER / "node_modules"
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
STRIKE = 109  # the one size that the font has, as PIL asks for it
STRIKE_BOX = (136, 128)
SELECTOR = "\ufe0f"
Sprite = NDArray[np.uint8]  # "n n 4": red, green and blue, alpha


@dataclass(frozen=True)
class Art:
    """All concepts in one style.

    `levels[n]` holds every concept at n pixels, "concepts n n 4", premultiplied.
    """

    style: Style
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

    def sprite(self, concept: int, pixels: int) -> Sprite:
        """Return a concept at a size, straight alpha."""
        image = Image.fromarray(straight(self.levels[LEVELS[-1]][concept]), "RGBA")
        return np.asarray(image.resize((pixels, pixels), Image.Resampling.LANCZOS))


def premultiplied(sprite: Sprite) -> Sprite:
    """Weigh colours by alpha, so that they can be resized and pasted as they are."""
    out = sprite.astype(np.uint16)
    out[..., :3] = (out[..., :3] * out[..., 3:] + 127) // 255
    return out.astype(np.uint8)


def straight(sprite: Sprite) -> Sprite:
    """Undo `premultiplied`."""
    out = sprite.astype(np.float32)
    out[..., :3] *= 255 / np.maximum(out[..., 3:], 1)
    return np.clip(out, 0, 255).astype(np.uint8)


def atlas_file(style: Style, folder: Path = FOLDER) -> Path:
    """Return where the drawings of a style are kept."""
    return folder / f"{style}.npz"


def load_art(style: Style, folder: Path = FOLDER) -> Art:
    """Load the drawings of a style; make them first where they are not there.

    Raises:
        FileNotFoundError: the style's own package is not installed.
    """
    file = atlas_file(style, folder)
    if not file.is_file():
        build_atlas(style, folder)
    with np.load(file) as stored:
        if [str(one) for one in stored["emoji"]] != [one.emoji for one in CONCEPTS]:
            raise ValueError(f"{file} is of other concepts; remove it, and it is made anew")
        return Art(style, {level: stored[str(level)] for level in LEVELS})


def build_atlas(style: Style, folder: Path = FOLDER) -> None:
    """Draw all concepts at all sizes, and keep them."""
    draw = DRAWN[style]
    squares = [_square(draw(one.emoji)) for one in CONCEPTS]
    levels = {
        str(level): np.stack([_resized(square, level) for square in squares]) for level in LEVELS
    }
    folder.mkdir(parents=True, exist_ok=True)
    with replace_file(atlas_file(style, folder)) as part, part.open("wb") as out:
        np.savez(out, emoji=np.array([one.emoji for one in CONCEPTS]), **levels)  # type: ignore[arg-type]


def _square(image: Image.Image) -> Image.Image:
    """Cut to the ink, and fill up to a square."""
    box = image.getchannel("A").point(lambda a: 255 * (a > 16)).getbbox()  # noqa: PLR2004
    ink = image.crop(box)
    side = max(ink.size)
    square = Image.new("RGBA", (side, side))
    square.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    return square


def _resized(square: Image.Image, level: int) -> Sprite:
    return premultiplied(np.asarray(square.resize((level, level), Image.Resampling.LANCZOS)))


def draw_noto(emoji: str) -> Image.Image:
    """Draw with the font's strike.

    Raises:
        FileNotFoundError: the font is not installed.
    """
    if not FONT.is_file():
        raise FileNotFoundError(f"no {FONT}; apt-get install fonts-noto-color-emoji")
    face = ImageFont.truetype(FONT, STRIKE)
    image = Image.new("RGBA", STRIKE_BOX)
    ImageDraw.Draw(image).text((0, 0), emoji.replace(SELECTOR, ""), font=face, embedded_color=True)
    return image


def draw_twemoji(emoji: str) -> Image.Image:
    """Read the PNG of 64 pixels."""
    folder = PACKAGES / "emoji-datasource-twitter" / "img" / "twitter" / "64"
    path = _existing(folder, emoji.lower(), ".png", "{:04x}")
    return Image.open(path, formats=["PNG"]).convert("RGBA")


def draw_openmoji(emoji: str) -> Image.Image:
    """Render the SVG."""
    folder = PACKAGES / "openmoji" / "color" / "svg"
    file = _existing(folder, emoji, ".svg", "{:04X}")
    command = ["rsvg-convert", "--width", "160", "--height", "160", str(file)]
    png = subprocess.run(command, check=True, capture_output=True).stdout
    return Image.open(io.BytesIO(png), formats=["PNG"]).convert("RGBA")


def _existing(folder: Path, emoji: str, suffix: str, code: str) -> Path:
    """Find a file by its code points, with or without the variation selector.

    Raises:
        FileNotFoundError: the package is not installed, or has no such drawing.
    """
    bare = emoji.replace(SELECTOR, "")
    for text in (emoji, bare, bare + SELECTOR):
        file = folder / f"{'-'.join(code.format(ord(one)) for one in text)}{suffix}"
        if file.is_file():
            return file
    raise FileNotFoundError(f"no drawing of {emoji} in {folder}; npm install it, see nano/art.py")


DRAWN: dict[Style, Callable[[str], Image.Image]] = {
    "noto": draw_noto,
    "twemoji": draw_twemoji,
    "openmoji": draw_openmoji,
}


def main() -> None:
    """Make all three anew."""
    for style in STYLES:
        build_atlas(style)


if __name__ == "__main__":
    main()
