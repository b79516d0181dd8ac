"""Captions drawn as images, for the paper's image-to-image retrieval.

caption -> words -> lines of at most 760 px -> black on white, 800 x 400 px

The page is that of the official code, used for the paper's Table 4. Its font is Arial, which may
not be redistributed; Liberation Sans has the same letter widths, so lines break at the same words.
Pillow has two engines that lay out letters: its own, "basic", and the library Raqm, which not every
machine has and which the official code uses where it is there.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont, features

from e5v.errors import DataError, UsageError

PAPERS = "Arial Regular"  # the font of the paper's figures
FONT = Path(__file__).parents[1] / "assets" / "fonts" / "LiberationSans-Regular.ttf"
WIDTH, HEIGHT = 800, 400  # pixels, like all below
SIZE = 40
MARGIN = 20
WIDEST = WIDTH - 2 * MARGIN  # a line without its trailing space
Layout = Literal["basic", "raqm"]
ENGINES = {"basic": ImageFont.Layout.BASIC, "raqm": ImageFont.Layout.RAQM}
NO_CHARACTER = "\uffff"  # never a character in Unicode: fonts draw a box for it


def font_name(font: Path | None = None) -> str:
    """Return the name of a TrueType file or of the default font, as "Arial Regular".

    Raises:
        UsageError: the font cannot be read.
    """
    return " ".join(filter(None, _open_font(font or FONT).getname()))


def check_layout(layout: str) -> None:
    """Check that captions can be laid out in a way on this machine.

    Raises:
        UsageError: the layout is unknown, or Pillow has no Raqm.
    """
    if layout not in ENGINES:
        known = " or ".join(ENGINES)
        raise UsageError(f'layout is "{layout}"; expected {known}', argument="layout")
    if layout == "raqm" and not features.check("raqm"):
        raise UsageError(
            "layout is raqm, which Pillow does not have on this machine; use basic, or install "
            "the libraries raqm and fribidi",
            argument="layout",
        )


def draw_caption(text: str, font: Path | None = None, *, layout: Layout = "basic") -> Image.Image:
    """Draw a caption as an RGB image of 800 x 400, 40 px letters, black on white.

    Words are split at any whitespace. A line is as high as its own ink. A character that the font
    lacks is drawn as the font's box; text that is too long runs over the edges.

    Args:
        text: the caption.
        font: a TrueType file, for example your own Arial; Liberation Sans by default.
        layout: what places the letters: "basic" gives the same pixels on every machine, "raqm"
            those of the official code on a machine that has it.

    Raises:
        DataError: the caption is blank, or the font has none of its characters.
        UsageError: the font cannot be read, or there is no such layout here.
    """
    face = _open_font(font or FONT, layout)
    if not text.strip():
        raise DataError("a caption is blank; give it some text, or leave it out")
    if not _can_write(text, face):
        raise DataError(
            f"no character of the caption {text[:40]!r} is in the font {face.getname()[0]}; "
            "give the file of a font that has them"
        )
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    lines = wrap(text, face)
    boxes = [draw.textbbox((0, 0), line, font=face) for line in lines]
    heights = [bottom - top for _, top, _, bottom in boxes]
    y = (HEIGHT - sum(heights)) // 2
    for line, height in zip(lines, heights, strict=True):
        draw.text((MARGIN, y), line, font=face, fill="black")
        y += height
    return picture


def wrap(text: str, face: ImageFont.FreeTypeFont) -> list[str]:
    """Split a caption into lines: as many words as fit, a space after every word."""
    lines = [""]
    for word in text.split():
        for piece in _break_word(word, face):
            if lines[-1] and face.getlength(lines[-1] + piece) > WIDEST:
                lines.append("")
            lines[-1] += f"{piece} "
    return lines


def _break_word(word: str, face: ImageFont.FreeTypeFont) -> Iterator[str]:
    """Break a word that is wider than a line, at the last character that fits."""
    piece = ""
    for character in word:
        if piece and face.getlength(piece + character) > WIDEST:
            yield piece
            piece = ""
        piece += character
    yield piece


def _can_write(text: str, face: ImageFont.FreeTypeFont) -> bool:
    box = _draw_character(NO_CHARACTER, face)
    return any(_draw_character(character, face) not in (b"", box) for character in text)


def _draw_character(character: str, face: ImageFont.FreeTypeFont) -> bytes:
    return bytes(face.getmask(character))


@lru_cache(maxsize=2)
def _open_font(font: Path, layout: Layout = "basic") -> ImageFont.FreeTypeFont:
    check_layout(layout)  # Pillow would draw with the other one
    try:
        return ImageFont.truetype(font, SIZE, layout_engine=ENGINES[layout])
    except OSError as error:
        raise UsageError(
            f"font {font} cannot be read: {error}; expected a TrueType file (.ttf)"
        ) from None
