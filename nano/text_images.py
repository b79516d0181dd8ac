"""A caption as an image: small black letters on white.

text -> words -> lines that fit -> the largest size at which all lines fit -> Drawing
"""

import random
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from nano.captions import COLOURS
from nano.concepts import CONCEPTS
from nano.layout import TILE, Drawing, PatchLabels, extent
from nano.nouns import plural, singular
from nano.scenes import BACKGROUNDS, Scene, Shape

FONT = Path(__file__).parents[1] / "src" / "e5v" / "assets" / "fonts" / "LiberationSans-Regular.ttf"
SIZES = (11, 10, 9, 8, 7)  # pixels at a tile of 60, tried in this order
MARGIN = 2
COVERED = 0.35  # of a patch: from here on it shows the word
UNLABELLED = -1  # the label of what names nothing
WORD = re.compile(r"\S+")


def letter(
    text: str,
    shape: Shape,
    rng: random.Random,
    *,
    named: Sequence[int] = (),
    tile: int = TILE,
) -> Drawing:
    """Write a text as large as it fits; `rng` moves it about a little.

    What does not fit at the smallest size runs over the edge. `named` is the label of each word,
    which the patches that show it get.
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
    cover = dict[int, NDArray[np.float32]]()
    left = iter(named)
    for line in lines:
        draw.text((x, y), line, font=face(size), fill=0, anchor="la")
        for (start, stop), label in zip(_stretches(line, size), left, strict=False):
            sheet = cover.setdefault(label, np.zeros((height, width), dtype=np.float32))
            sheet[y : y + size, x + start : x + stop] = 1
        y += size
    patch_labels = PatchLabels(shape, tile, UNLABELLED, COVERED)
    for label, sheet in cover.items():
        patch_labels.cover(label, sheet)
    return Drawing(np.repeat(np.asarray(image)[..., None], 3, axis=2), patch_labels.labels)


def named_by(text: str, scene: Scene) -> list[int]:
    """Return for each word of a scene's caption the label of the thing or colour that it names.

    Of a name of several words, each has the label; of what names nothing, it is UNLABELLED.
    """
    letters = [UNLABELLED] * len(text)
    ground = BACKGROUNDS.index(scene.background)
    wanted = [(len(CONCEPTS) + ground, _colour(scene.background))]
    wanted += [(thing.concept, _thing(thing.concept)) for thing in scene.things]
    for label, names in wanted:  # a thing may be called as a colour is: the thing's label holds
        for found in names.finditer(text):
            letters[found.start() : found.end()] = [label] * (found.end() - found.start())
    return [letters[word.start()] for word in WORD.finditer(text)]


@cache
def _colour(background: str) -> re.Pattern[str]:
    return _any_of(COLOURS.get(background, (background,)))


@cache
def _thing(concept: int) -> re.Pattern[str]:
    """Find all that a thing is called, the longest first."""
    forms = {form(name) for name in CONCEPTS[concept].names for form in (str, singular, plural)}
    return _any_of(sorted(forms, key=len, reverse=True))


def _any_of(names: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")


def _stretches(line: str, size: int) -> Iterator[tuple[int, int]]:
    """Return where each word of a line starts and stops, in pixels."""
    length = face(size).getlength
    for word in WORD.finditer(line):
        yield int(length(line[: word.start()])), int(length(line[: word.end()]))


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
