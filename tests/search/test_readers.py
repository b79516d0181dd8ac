"""What a file is read as: passages and lines."""

import json
from pathlib import Path

import pytest

from e5v.jsonl import LineFault
from e5v.search.passages import LONGEST_PASSAGE, split_passages
from e5v.search.readers import Line, read_lines


def test_passages_hold_all_of_a_text() -> None:
    """Catches words lost or cut where a text is split, and passages too long for one vector."""
    words = [f"word{number}" for number in range(3_000)]
    sentences = [" ".join(words[start : start + 12]) + "." for start in range(0, 3_000, 12)]
    paragraphs = [" ".join(sentences[start : start + 25]) for start in range(0, 250, 25)]
    passages = split_passages("\n\n".join(["Title", *paragraphs, "end"]))
    assert all(0 < len(passage) <= LONGEST_PASSAGE for passage in passages)
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
    assert split_passages(text) == passages


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
    assert isinstance(wrong, LineFault)
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
