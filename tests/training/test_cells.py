"""Rows of data with images: what is read, and what is told of rows that cannot be."""

from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from e5v.training.loss import distinct
from e5v.training.triplets import Triplet, read_triplets
from tests.training.pictures import write_lines


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
        ({"anchor": "images/0.png", "positive": "a"}, "write it as {\"image\": 'images/0.png'}"),
        ({"anchor": "a", "positive": {"imgae": "0.png"}}, "is of type dict"),
        ({"image": "0.png", "text": ""}, "text is empty"),
        ({"image": None, "text": "a"}, "image has 0 images"),
        ({"image": "0.png", "text": ["a", "b"], "target": "1.png"}, "has 2 texts and 1 targets"),
        ({"anchor": {"image": "http://x/y.png"}, "positive": "a"}, "URLs are not downloaded"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(folder: Path, line: dict[str, Any], cause: str) -> None:
    """A row without its image that is trained on all the same."""
    good = {"image": "1.png", "text": "a"}
    if "anchor" in line:
        good = {"anchor": "a", "positive": "b"}
    broken = read_triplets([write_lines(folder / "rows.jsonl", [good, line])]).broken
    assert len(broken) == 1
    assert cause in str(broken[0])


def test_equal_images_are_no_negatives(folder: Path) -> None:
    """An image pushed away from a copy of itself, or from itself under another name."""
    picture = PIL.Image.open(folder / "images" / "0.png")
    path, other = folder / "images" / "0.png", folder / "images" / ".." / "images" / "0.png"
    rows = [Triplet(path, "a"), Triplet(other, "b"), Triplet(picture, "c"), Triplet("c", picture)]
    allowed = distinct(rows)
    assert not bool(allowed[0, 1])
    assert not bool(allowed[1, 0])
    assert bool(allowed[0, 2])  # a file and pixels are not compared: that would open every file
    assert not bool(allowed[2, 3])
