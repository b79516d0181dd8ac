"""What a file is read as: passages, lines, thumbnails."""

import io
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from e5v.search.lines import Line, WrongLine, read_lines
from e5v.search.passages import LONGEST, split
from e5v.search.thumbnails import MOST_BYTES, SIDE, thumbnail


def test_passages_hold_all_of_a_text() -> None:
    """Catches words lost or cut where a text is split, and passages too long for one vector."""
    words = [f"word{number}" for number in range(3_000)]
    sentences = [" ".join(words[start : start + 12]) + "." for start in range(0, 3_000, 12)]
    paragraphs = [" ".join(sentences[start : start + 25]) for start in range(0, 250, 25)]
    passages = split("\n\n".join(["Title", *paragraphs, "end"]))
    assert all(0 < len(passage) <= LONGEST for passage in passages)
    assert len(passages) < 35
    assert " ".join(passages).split() == ["Title", *" ".join(paragraphs).split(), "end"]
    assert sum(passage.endswith(".") for passage in passages) >= len(passages) - 1


@pytest.mark.parametrize(
    ("text", "passages"),
    [
        ("", []),
        (" \n\t\n \n", []),
        ("one", ["one"]),
        ("one\ntwo\n\n\n \nthree", ["one\ntwo\n\nthree"]),
        ("a" * 2_500, ["a" * 1_000, "a" * 1_000, "a" * 500]),
        ("a" * 999 + "\n\nb", ["a" * 999, "b"]),
        ("a" * 600 + " " + "b" * 600, ["a" * 600, "b" * 600]),
        ("a" * 1_000, ["a" * 1_000]),
    ],
)
def test_passages(text: str, passages: list[str]) -> None:
    """Catches empty passages, endless ones, and an edge that is off by one."""
    assert split(text) == passages


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nope", "is not JSON: Expecting value"),
        (b"[1]", "is a list; expected an object"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"text": 3}', 'has "text" of type int'),
        (b'{"image": ["a.png"]}', 'has "image" of type list'),
        (b'{"text": " "}', "has no text and no image"),
        (b'{"image": null, "caption": ""}', "has no text and no image"),
        (b'{"text": "\\ud800"}', "half a surrogate pair"),
        (b'{"text": "caf\xe9"}', "is not UTF-8"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, line: bytes, reason: str) -> None:
    """Catches a wrong line that ends the reading of all, or is taken for something."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"text": "first"}\n\n' + line + b'\n{"image": "../a.png"}')
    first, wrong, last = read_lines(str(path))
    assert first == Line(1, "first")
    assert isinstance(wrong, WrongLine)
    assert wrong.number == 3
    assert reason in wrong.reason
    assert last == Line(4, "", str(tmp_path.parent / "a.png"))


def test_images_of_lines_are_found_where_evaluation_finds_them(tmp_path: Path) -> None:
    """Catches a caption file that can be evaluated on and not indexed."""
    (tmp_path / "images").mkdir()
    for name in ("a.png", "images/a.png", "images/b.png"):
        (tmp_path / name).touch()
    names = ["a.png", "b.png", "images/b.png", "c.png", str(tmp_path / "images/a.png")]
    lines = [json.dumps({"image": name, "text": "words"}) for name in names]
    (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    found = [line.image for line in read_lines(str(tmp_path / "captions.jsonl"))]  # type: ignore[union-attr]
    expected = ["a.png", "images/b.png", "images/b.png", "c.png", "images/a.png"]
    assert found == [str(tmp_path / name) for name in expected]


def encoded(picture: PIL.Image.Image, form: str, **options: object) -> bytes:
    """Return a picture as a file of some format."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def test_thumbnails_are_small_upright_and_of_the_picture(photos: list[PIL.Image.Image]) -> None:
    """Catches a thumbnail on its side, of another shape, or of more than 20 KB."""
    for photo in photos:
        small = thumbnail(encoded(photo, "PNG"))
        assert (small.width, small.height) == photo.size
        shown = PIL.Image.open(io.BytesIO(small.content))
        assert shown.size == photo.size
        difference = np.abs(np.asarray(shown.convert("RGB"), float) - np.asarray(photo, float))
        assert difference.mean() < 20  # the photos are noisy; another is 60 away
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    sideways = thumbnail(encoded(photos[0], "JPEG", exif=exif))
    assert (sideways.width, sideways.height) == photos[0].size[::-1]
    assert PIL.Image.open(io.BytesIO(sideways.content)).size == photos[0].size[::-1]


def test_thumbnails_of_deep_pictures_are_scaled() -> None:
    """Catches a 16-bit scan that becomes white, or brighter than the model sees it."""
    deep = np.zeros((600, 800), np.uint16)
    deep[:, 400:] = 128 * 257
    deep[:300] //= 200
    deep[0, 0] = 65_535  # a speck that is gone when the picture is small
    shown = PIL.Image.open(io.BytesIO(thumbnail(encoded(PIL.Image.fromarray(deep), "PNG")).content))
    grey = np.asarray(shown.convert("L"), float)
    assert shown.size == (256, 192)
    assert grey[100:, 132:].mean() == pytest.approx(128, abs=3)
    assert grey[10:90].mean() < 5


def test_thumbnails_of_noise_and_of_what_is_see_through() -> None:
    """Catches a picture that does not compress, and black where nothing was drawn."""
    noise = np.random.default_rng(0).integers(0, 256, (900, 700, 3), np.uint8)
    small = thumbnail(encoded(PIL.Image.fromarray(noise), "JPEG", quality=95))
    assert (small.width, small.height) == (700, 900)
    assert len(small.content) <= MOST_BYTES
    assert max(PIL.Image.open(io.BytesIO(small.content)).size) == SIDE
    clear = PIL.Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    shown = PIL.Image.open(io.BytesIO(thumbnail(encoded(clear, "PNG")).content))
    assert np.asarray(shown.convert("RGB")).min() > 250
    for mode in ("P", "LA", "I;16", "CMYK"):
        form = "TIFF" if mode == "CMYK" else "PNG"
        assert thumbnail(encoded(PIL.Image.new(mode, (30, 20)), form)).content
