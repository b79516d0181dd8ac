"""Rows of data with images: what is read, and what is told of rows that cannot be."""

from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from e5v.training.loss import distinct
from e5v.training.reading import read_triplets
from e5v.training.triplets import Triplet
from tests.training.pictures import make_picture, write_lines
from tests.training.triplet_files import write


@pytest.mark.parametrize(
    ("line", "anchor", "positives"),
    [
        ({"image": "0.png", "captions": ["a", "b"]}, "image", ["a", "b"]),
        ({"file_name": "0.png", "text": "a"}, "image", ["a"]),
        ({"anchor": {"image": "0.png"}, "positive": "a"}, "image", ["a"]),
        ({"query": "a", "pos": [{"image": "0.png"}]}, "a", ["image"]),
        ({"anchor": {"image": "0.png", "text": "x"}, "positive": "a"}, "both", ["a"]),
        ({"image": "0.png", "text": "x", "target": ["1.png", "2.png"]}, "both", ["image"] * 2),
        ({"anchor": {"text": "0.png is a name"}, "positive": "a"}, "0.png is a name", ["a"]),
        ({"image": None, "file": "0.png", "text": None, "caption": "x"}, "image", ["x"]),
        ({"image": "0.png", "text": "", "captions": ["x"]}, "image", ["x"]),
        ({"anchor": "{a set}", "positive": "nothere.png"}, "{a set}", ["nothere.png"]),
        ({"anchor": {"docid": "1", "title": "t", "text": "x"}, "positive": "a"}, "t x", ["a"]),
    ],
)
def test_rows_with_images_are_read(
    folder: Path, line: dict[str, Any], anchor: str, positives: list[str]
) -> None:
    """An image's name trained on as a text; a caption trained on as the change to an image."""
    rows = read_triplets([write_lines(folder / "rows.jsonl", [line])]).rows
    assert {_kind(row.anchor) for row in rows} == {anchor}
    assert [_kind(row.positive) for row in rows] == positives


def _kind(item: Any) -> str:
    if isinstance(item, str):
        return item
    return "both" if item.texts else "image"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ({"anchor": {"image": "no.png"}, "positive": "a"}, "missing from the folder"),
        ({"anchor": "images/0.png", "positive": "a"}, 'as {"image": "images/0.png"}'),
        ({"anchor": '{"image": "0.png"}', "positive": "a"}, "is a text that holds an image"),
        ({"anchor": "data:image/png;base64,AA", "positive": "a"}, "is a text that holds an image"),
        ({"anchor": {"imge": "0.png", "text": "red"}, "positive": "a"}, 'did you mean "image"?'),
        ({"anchor": {"photo": "0.png", "text": "red"}, "positive": "a"}, "has an image under"),
        ({"anchor": {"image": "bad.png"}, "positive": "a"}, "bad.png is not an image"),
        ({"anchor": "a", "positive": {"imgae": "0.png"}}, "is of type dict"),
        ({"image": "0.png", "text": ""}, "has no text; expected both"),
        ({"image": "0.png", "captions": ["a", ""]}, 'has an empty text in "captions"'),
        ({"image": None, "text": "a"}, "has no image; expected both"),
        ({"image": "0.png", "text": ["a", "b"], "target": "1.png"}, "has 2 texts and 1 targets"),
        ({"anchor": {"image": "http://x/y.png"}, "positive": "a"}, "URLs are not downloaded"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(folder: Path, line: dict[str, Any], cause: str) -> None:
    """A row without its image that is trained on all the same."""
    (folder / "bad.png").write_bytes(b"no image")
    good = {"image": "1.png", "text": "a"}
    if "anchor" in line:
        good = {"anchor": "a", "positive": "b"}
    broken = read_triplets([write_lines(folder / "rows.jsonl", [good, line])]).broken
    assert len(broken) == 1
    assert cause in str(broken[0])


def test_equal_images_are_no_negatives(folder: Path) -> None:
    """An image pushed away from a copy of itself, or from itself under another name."""
    path, other = folder / "images" / "0.png", folder / "images" / ".." / "images" / "0.png"
    copy = folder / "copy.png"
    copy.write_bytes(path.read_bytes())
    rows = [Triplet(path, "a"), Triplet(other, "b"), Triplet(copy, "c"), Triplet("d", path)]
    allowed = distinct([*rows, Triplet(folder / "images" / "1.png", "e")])
    assert not allowed[:3, :4].fill_diagonal_(False).any()  # noqa: FBT003
    assert allowed[:3, 4].all()


def test_pictures_of_a_palette_are_told_apart() -> None:
    """One index and four palettes, which are four colours, as copies of one image."""
    pictures = []
    for colour in range(4):
        picture = PIL.Image.new("P", (8, 8))
        picture.putpalette([60 * colour] * 768)
        pictures.append(picture)
    assert distinct([Triplet(one, str(n)) for n, one in enumerate(pictures)]).all()


def test_images_of_hugging_face(folder: Path) -> None:
    """An embedded image that is looked for on the disk, or one that is missing as an error."""
    content = (folder / "images" / "0.png").read_bytes()
    image = {"bytes": content, "path": "elsewhere.png"}
    nothing = {"bytes": None, "path": None}
    for kind, row in (
        ("image", {"image": image, "text": "a", "negative": nothing}),
        ("both", {"anchor": {"image": image, "text": "x"}, "positive": "a", "negative": nothing}),
        ("image", {"image": content, "text": "a"}),
    ):
        (read,) = read_triplets([write(folder / "rows.parquet", [row])]).rows
        assert read.negatives == ()
        assert _kind(read.anchor) == kind


def test_texts_named_like_images_are_noted(folder: Path) -> None:
    """A wrong folder, for which the names of all images are trained on as texts."""
    rows = [{"anchor": "0.png", "positive": "a"}, {"anchor": "b", "positive": "c"}]
    file = write_lines(folder.parent / "rows.jsonl", rows)
    (note,) = read_triplets([file]).notes
    assert note == f"{file}: 1 text named like an image, trained on as text: 0.png"


def test_the_content_of_rows_is_exact(folder: Path) -> None:
    """A resumed run that goes on with other rows: a text moved over, a space, another image."""

    def content(*rows: dict[str, Any]) -> str:
        return read_triplets([write_lines(folder / "rows.jsonl", list(rows))]).content

    image = {"image": "0.png", "text": "a"}
    different = [
        content({"anchor": "a", "positive": "b c"}),
        content({"anchor": "a b", "positive": "c"}),
        content({"anchor": "a", "positive": "b", "negative": "c"}),
        content({"anchor": "a", "positive": "b "}, {"anchor": "c", "positive": "d"}),
        content({"anchor": "a", "positive": "b"}, {"anchor": "c", "positive": "d"}),
        content({"anchor": image, "positive": "b"}),
    ]
    make_picture(20).save(folder / "images" / "0.png")
    different.append(content({"anchor": image, "positive": "b"}))
    assert len(set(different)) == len(different)
