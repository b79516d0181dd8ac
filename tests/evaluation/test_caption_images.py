"""Captions as images: where the ink is, where lines break, and what cannot be drawn."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFont, features

from e5v.errors import DataError, UsageError
from e5v.evaluation.caption_images import FONT, _open_font, draw_caption, wrap

OTHER_FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
LONG = "A man with a red helmet on a small moped on a dirt road."
LONG_LINES = ["A man with a red helmet on a small moped ", "on a dirt road. "]


@pytest.fixture(scope="module")
def face() -> ImageFont.FreeTypeFont:
    """Open the font as the official code does, but for the layout engine."""
    return ImageFont.truetype(FONT, 40, layout_engine=ImageFont.Layout.BASIC)


def ink(picture: Image.Image) -> NDArray[np.bool_]:
    """Mark the pixels that are not white."""
    return np.asarray(picture.convert("L")) < 255


def test_a_picture_is_as_the_paper_has_it(face: ImageFont.FreeTypeFont) -> None:
    """Catches another size, mode or colour, and text that is centred in another way."""
    picture = draw_caption("Two dogs.")
    assert (picture.mode, picture.size) == ("RGB", (800, 400))
    pixels = np.asarray(picture)
    assert (pixels == pixels[..., :1]).all(), "greys alone"
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert pixels[0, 0, 0] == 255

    left, top, right, bottom = face.getbbox("Two dogs. ")
    rows, columns = np.nonzero(ink(picture))
    start = (400 - (bottom - top)) // 2 + top  # the font's own space above is not taken off
    assert (rows.min(), rows.max()) == (start, start + bottom - top - 1)
    assert columns.min() >= 20 + left
    assert columns.max() < 20 + right


def test_lines_follow_by_their_own_ink(face: ImageFont.FreeTypeFont) -> None:
    """Catches lines set apart by the font's line height: the official code sets them tight."""
    boxes = [face.getbbox(line) for line in LONG_LINES]
    heights = [bottom - top for _, top, _, bottom in boxes]
    start = (400 - sum(heights)) // 2
    expected = np.zeros((400, 800), bool)
    for line, y in zip(LONG_LINES, (start, start + heights[0]), strict=True):
        mask, (x_off, y_off) = face.getmask2(line)
        width, height = mask.size
        letters = np.frombuffer(bytes(mask), np.uint8).reshape(height, width) > 0
        expected[y + y_off :, 20 + x_off :][:height, :width] |= letters
    assert (ink(draw_caption(LONG)) == expected).all()


def test_lines_break_where_the_next_word_does_not_fit(face: ImageFont.FreeTypeFont) -> None:
    """Catches a line that is too wide or broken too early, and one without its trailing space."""
    assert wrap(LONG, face) == LONG_LINES
    words = ("many short words and extraordinarily incomprehensible ones " * 4).split()
    lines = wrap(" ".join(words), face)
    assert "".join(lines) == " ".join(words) + " "
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        assert face.getlength(line.rstrip()) <= 760
        assert not after or face.getlength(line + after.split()[0]) > 760


def test_a_word_wider_than_a_line_is_broken(face: ImageFont.FreeTypeFont) -> None:
    """Catches the official code's endless loop, and letters lost where the word is broken."""
    word = "Donaudampfschiff" * 5
    lines = wrap(f"The {word} sails", face)
    assert lines[0] == "The "
    assert "".join(lines[1:]).replace(" ", "") == f"{word}sails"
    assert len(lines) == 4
    for line, after in pairwise(lines[1:]):
        assert face.getlength(line.rstrip()) <= 760 < face.getlength(line.rstrip() + after[0])
    assert lines[-1].endswith(" sails "), "words go on behind the last piece"
    assert ink(draw_caption("i" * 2000)).any()


def test_any_whitespace_parts_words() -> None:
    """Catches a newline of a caption that is drawn as a box or as a line of its own."""
    assert (
        draw_caption(" A dog\nruns\r\n\tfar ").tobytes() == draw_caption("A dog runs far").tobytes()
    )


def test_a_character_that_the_font_lacks_is_a_box() -> None:
    """Catches a run of thousands of captions that dies of one odd character, or swallows it."""
    boxes = [draw_caption(f"a {odd} dog").tobytes() for odd in ("\u732b", "\U0001f600", "\ud800")]
    assert len(set(boxes)) == 1
    assert boxes[0] != draw_caption("a dog").tobytes()


@pytest.mark.parametrize("text", ["", " \n\t", "\u732b\u72ac", "\u200b", "\U0001f600 \U0001f600"])
def test_a_caption_that_says_nothing_is_refused(text: str) -> None:
    """Catches white pages and rows of boxes that are searched as if they were captions."""
    with pytest.raises(DataError, match=r"blank|no character of the caption .* Liberation Sans"):
        draw_caption(text)


def test_a_font_of_ones_own() -> None:
    """Catches a font that is asked for and not used."""
    assert draw_caption(LONG, OTHER_FONT).tobytes() != draw_caption(LONG).tobytes()
    assert ink(draw_caption("\u2603", OTHER_FONT)).any(), "a snowman, which ours lacks"


def test_a_font_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Catches a traceback from the drawing library for a mistyped path."""
    (tmp_path / "text.ttf").write_text("no font")
    for font in (tmp_path / "absent.ttf", tmp_path / "text.ttf", tmp_path):
        with pytest.raises(UsageError, match=f"font {font} cannot be read"):
            draw_caption("A dog.", font)


def test_letters_are_as_wide_as_arials() -> None:
    """Catches another font, with which lines would break at other words than the paper's."""
    face = ImageFont.truetype(FONT, 1000, layout_engine=ImageFont.Layout.BASIC)
    widths = {" ": 278, "a": 556, "i": 222, "M": 833, "W": 944, "0": 556, "@": 1015}
    assert {letter: face.getlength(letter) for letter in widths} == widths


@pytest.fixture
def without_raqm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Pillow be one without the library, with which no font is open yet."""
    monkeypatch.setattr(ImageFont.core, "HAVE_RAQM", False)
    monkeypatch.setattr(features, "check", lambda feature: feature != "raqm")
    _open_font.cache_clear()
    yield
    _open_font.cache_clear()


CAPTIONS = (LONG, "Two dogs.", "AVATAR To. fi ffl", "Ta\u0308nzer, \u05e9\u05dc\u05d5\u05dd")
BEFORE = [draw_caption(text).tobytes() for text in CAPTIONS]


@pytest.mark.usefixtures("without_raqm")
def test_the_basic_layout_is_the_same_whatever_is_installed() -> None:
    """Catches Pillow's default, with which the pixels depend on the machine's libraries."""
    assert [draw_caption(text).tobytes() for text in CAPTIONS] == BEFORE


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow has no raqm here")
def test_raqm_draws_what_the_official_code_draws() -> None:
    """Catches an option that changes nothing: Pillow's default is raqm where it is installed."""
    official = ImageFont.truetype(FONT, 40)
    left, top, right, bottom = official.getbbox("AVATAR To. fi ffl ")
    picture = ink(draw_caption("AVATAR To. fi ffl", layout="raqm"))
    assert picture.sum() > 0
    assert picture.tobytes() != ink(draw_caption("AVATAR To. fi ffl")).tobytes()
    rows = np.nonzero(picture)[0]
    assert rows.min() == (400 - (bottom - top)) // 2 + top
    columns = np.nonzero(picture)[1]
    assert 20 + left <= columns.min() <= columns.max() < 20 + right


@pytest.mark.usefixtures("without_raqm")
def test_a_layout_that_is_not_there_is_refused() -> None:
    """Catches figures that are told to be of raqm and were drawn without it."""
    with pytest.raises(UsageError, match="layout is raqm, which Pillow does not have") as raised:
        draw_caption("A dog.", layout="raqm")
    assert raised.value.argument == "layout"
    with pytest.raises(UsageError, match='layout is "Raqm"; expected basic or raqm'):
        draw_caption("A dog.", layout="Raqm")  # type: ignore[arg-type]


def test_the_fonts_licence_lies_beside_it() -> None:
    """Catches a font passed on without its licence, which the licence forbids."""
    licence = (FONT.parent / "LICENSE-Liberation.txt").read_text()
    assert "Reserved Font Name Liberation" in licence
    assert "SIL OPEN FONT LICENSE" in licence
