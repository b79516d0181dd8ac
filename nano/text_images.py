"""A caption as an image: small black letters on white.

text -> words -> lines that fit -> the largest size at which all lines fit -> Drawing
"""

import random
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nano.art import Pixels
from nano.captions import COLOURS
from nano.concepts import CONCEPTS, plural, singular
from nano.picture import TILE, Drawing, extent, label_patches
from nano.scenes import BACKGROUNDS, Scene, Shape

FONT = Path(__file__).parents[1] / "src" / "e5v" / "assets" / "fonts" / "LiberationSans-Regular.ttf"
LETTERED: Shape = "wide"
SIZES = (11, 10, 9, 8, 7)  # pixels, tried in this order
MARGIN = 2
COVERED = 0.35  # of a patch: from here on it shows the word
UNLABELLED = -1  # the label of what names nothing
WORD = re.compile(r"\S+")


def letter(text: str, rng: random.Random, *, named: Sequence[int] = ()) -> Drawing:
    """Write a text as large as it fits in a picture of two tiles; `rng` moves it about a little.

    What does not fit at the smallest size runs over the edge. `named` is the label of each word,
    which the patches that show it get.
    """
    height, width = extent(LETTERED, TILE)
    for size in SIZES[rng.randrange(2) :]:  # not always the largest
        lines = _wrap(text, size, width - 2 * MARGIN)
        if len(lines) * size <= height - MARGIN:
            break
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    widest = max((_length(line, size) for line in lines), default=0)
    x = MARGIN + rng.randrange(max(1, width - 2 * MARGIN - widest + 1))
    y = rng.randrange(max(1, height - MARGIN - len(lines) * size + 1))
    sheets = dict[int, Pixels]()
    labels = iter(named)
    for line in lines:
        draw.text((x, y), line, font=_face(size), fill=0, anchor="la")
        for word, label in zip(WORD.finditer(line), labels, strict=False):
            start, stop = (_length(line[:end], size) for end in word.span())
            sheet = sheets.setdefault(label, np.zeros((height, width), dtype=np.float32))
            sheet[y : y + size, x + start : x + stop] = 1
        y += size
    patches = label_patches(sheets.items(), LETTERED, before=UNLABELLED, least=COVERED)
    return Drawing(np.repeat(np.asarray(image)[..., None], 3, axis=2), patches)


def named_by(text: str, scene: Scene) -> list[int]:
    """Return for each word of a scene's caption the label of the thing or colour that it names.

    Of a name of several words, each has the label; of what names nothing, it is UNLABELLED.
    """
    letters = [UNLABELLED] * len(text)
    wanted = {len(CONCEPTS) + BACKGROUNDS.index(scene.background): COLOURS[scene.background]}
    wanted |= {thing.concept: _forms(thing.concept) for thing in scene.things}
    for label, names in wanted.items():  # where a thing is called as a colour is, it is the thing
        for found in re.finditer(rf"\b(?:{'|'.join(map(re.escape, names))})\b", text):
            letters[found.start() : found.end()] = [label] * len(found[0])
    return [letters[word.start()] for word in WORD.finditer(text)]


def _forms(concept: int) -> list[str]:
    """Return all that a thing is called, the longest first."""
    forms = {form(name) for name in CONCEPTS[concept].names for form in (str, singular, plural)}
    return sorted(forms, key=lambda form: (-len(form), form))


def _wrap(text: str, size: int, width: int) -> list[str]:
    """Part a text into lines of as many words as fit."""
    lines: list[str] = []
    length = 0.0
    for word in text.split():
        if lines and length + _advance(f" {word}", size) <= width:
            lines[-1] += f" {word}"
            length += _advance(f" {word}", size)
        else:
            lines.append(word)
            length = _advance(word, size)
    return lines


def _length(text: str, size: int) -> int:
    return int(_face(size).getlength(text))


@cache
def _advance(word: str, size: int) -> float:
    return _face(size).getlength(word)


@cache
def _face(size: int) -> ImageFont.FreeTypeFont:
    """Return our own font at a size."""
    return ImageFont.truetype(FONT, size, layout_engine=ImageFont.Layout.BASIC)
