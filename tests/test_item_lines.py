"""Lines of items to embed: what one line stands for, and which file an image's name means."""

import io
import json
from pathlib import Path

import pytest

from e5v.item_lines import check_items, read_items
from e5v.jsonl import LineFault
from tests.test_captions import folder_of, lines


def test_an_item_is_all_of_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in lists and chat messages that are looked for in another folder than others."""
    folder = folder_of(tmp_path / "data", b"")
    cat, cow = folder / "cat.png", folder / "images" / "cow.png"
    uri = "data:image/png;base64,AAAA"
    part = {"type": "image_url", "image_url": {"url": "cow.png"}}
    items: list[tuple[object, object]] = [
        ("a text", "a text"),
        ("cat.png", cat),
        ({"text": "cat.png"}, {"text": "cat.png"}),
        ({"image": "cow.png"}, {"image": cow}),
        ({"image": ["cat.png", "cow.png"], "text": "x"}, {"image": [cat, cow], "text": "x"}),
        ({"image": uri}, {"image": uri}),
        ({"base64": "AAAA", "text": "x"}, {"base64": "AAAA", "text": "x"}),
        ({"image": {"url": "cat.png"}}, {"image": {"url": cat}}),
        (["cat.png", "and", {"image": "cow.png"}], [cat, "and", {"image": cow}]),
        (
            {"role": "user", "content": [part, {"type": "text", "text": "x"}]},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": cow}},
                    {"type": "text", "text": "x"},
                ],
            },
        ),
        (
            {"image": "cat.png", "captions": ["a", "b"]},
            [{"image": cat}, {"text": "a"}, {"text": "b"}],
        ),
    ]
    content = lines(*(json.dumps(value) for value, _ in items))
    (folder / "captions.jsonl").write_bytes(content)
    read = list(read_items(folder / "captions.jsonl"))
    assert [line.raw for line in read if not isinstance(line, LineFault)] == [
        raw for _, raw in items
    ]
    monkeypatch.chdir(folder)
    stream = io.BytesIO(content)
    from_stream = list(read_items(stream))
    assert not [line for line in from_stream if isinstance(line, LineFault)]
    assert not stream.closed


def test_a_string_is_not_an_image_of_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image of the current folder embedded in place of the one that the file means."""
    folder = folder_of(tmp_path / "data", b'"here.png"\n"gone.png"\n')
    (tmp_path / "here.png").touch()
    monkeypatch.chdir(tmp_path)
    here, gone = read_items(folder / "captions.jsonl")
    assert str(here).startswith("line 1 names 'here.png', which is in the current folder")
    assert not isinstance(gone, LineFault)
    assert gone.raw == "gone.png"


def test_a_file_of_items_is_checked_line_by_line(tmp_path: Path) -> None:
    """A run that embeds 705 items and then fails on the 706th."""
    values = [{"image": "cat.png"}] * 705 + [{"image": "gone.png"}, "fine", {"text": ""}, "{"]
    folder = folder_of(tmp_path, lines(*(json.dumps(one) for one in values[:-1]), "{"))
    found = [str(fault) for fault in check_items(folder / "captions.jsonl")]
    assert [one.partition(" names")[0].partition(" has")[0] for one in found[:2]] == [
        "line 706",
        "line 708",
    ]
    assert found[0].endswith("its images/: 'gone.png'")
    assert "line 709 is not JSON" in found[2]
    assert len(found) == 3


def test_a_long_file_is_never_in_memory(tmp_path: Path) -> None:
    """A file of a million lines that fills the memory before its first line is used."""
    folder = folder_of(tmp_path, lines(*['"a text"'] * 20_000))
    with (folder / "captions.jsonl").open("rb") as stream:
        assert not isinstance(next(read_items(stream)), LineFault)
        assert stream.tell() < 100_000
