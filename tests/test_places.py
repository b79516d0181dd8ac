"""URLs where a path or an item is expected: read at stores, or refused before anything is made."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import e5v
from e5v.errors import DataError, ItemError, UsageError
from e5v.evaluation.report import Report
from e5v.inputs import RawItem, Text, normalise
from e5v.item_lines import read_items
from e5v.jsonl import LineFault
from e5v.places import StoreUrl, is_url
from e5v.training.cells import as_item
from e5v.training.triplets import collect_triplets

CALLS: dict[str, Callable[[], Any]] = {
    "an index to write": lambda: e5v.index("photos", index="ftp://bucket/x", model="nano"),
    "a folder to index": lambda: e5v.index(["gs://bucket/photos"], index="new", model="nano"),
    "an index to read": lambda: e5v.Index.open(Path("ftp://bucket/x")),
    "a run to merge": lambda: e5v.merge("hf://a/b", "new"),
    "a folder to merge into": lambda: e5v.merge("run", "s3://bucket/x"),
    "a run to train": lambda: e5v.train("nano", "a.jsonl", "s3://bucket/x"),
    "data to train on": lambda: e5v.train("nano", ["s3://bucket/a.jsonl"], "new"),
    "data to measure on": lambda: e5v.train("nano", "a.jsonl", "new", evaluation="gs://b/x"),
    "a report to write": lambda: Report(cast("Any", None)).write("s3://bucket/x"),
    "data to evaluate on": lambda: e5v.evaluate("nano", data="s3://bucket/x"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_refuses_a_url(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a folder "s3:" that a call makes in the current folder, or looks for there."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"\w+://\S+ is a URL, which is not supported"):
        CALLS[name]()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["s3://bucket/images/", " gs://b/cat\n", "HF://a/b"])
def test_a_place_in_a_store_is_no_text(url: str) -> None:
    """Catches a model that embeds the name of a folder, and a text that cannot be said."""
    with pytest.raises(ItemError, match="which does not end in the suffix of an image"):
        normalise(url)
    assert normalise({"text": url}).texts == (url,)


@pytest.mark.parametrize(
    "item", [" S3://b/cat.jpg\n", {"image": "s3://b/cat.jpg"}, Path("s3://b/cat.jpg")]
)
def test_an_image_in_a_store_is_an_image(item: RawItem) -> None:
    """Catches a model that embeds the name of a photo, and a path that lost a slash."""
    [image] = normalise(item).images
    assert (image.source, str(image)) == (StoreUrl("s3", "b", "cat.jpg"), "s3://b/cat.jpg")
    assert normalise({"text": "s3://b/cat.jpg"}).images == ()


def test_training_reads_no_store() -> None:
    """Catches an image of training data that is asked of a store at every step."""
    image: RawItem = {"image": "s3://bucket/cat.jpg"}
    with pytest.raises(DataError, match=r"row 1 of the data: is the URL s3://bucket/cat\.jpg; obj"):
        collect_triplets([e5v.Triplet("a", image)])
    with pytest.raises(ItemError, match=r"is the URL s3://bucket/cat\.jpg; object stores are not"):
        as_item(image)


@pytest.mark.parametrize("text", ["see s3://bucket/x", "s3://bucket is ours", "s3:/x", "https://a"])
def test_a_text_with_a_url_is_a_text(text: str) -> None:
    """Catches a sentence that is refused for a word in it."""
    assert normalise(text).parts == (Text(text),)


def test_a_line_that_names_a_url(tmp_path: Path) -> None:
    """Catches a URL that is told as a missing file, and one where stores are not read."""
    file = tmp_path / "items.jsonl"
    lines = [
        {"image": "s3://b/a cat.jpg"},
        {"image": ["gs://b/cat.jpg"], "text": "a"},
        ["s3://b/x"],
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    for line in read_items(file):
        assert isinstance(line, LineFault)
        assert "is the URL" in line.reason
    found = [line for line in read_items(file, stores=True) if not isinstance(line, LineFault)]
    assert [one.source for line in found for one in normalise(line.raw).images] == [
        StoreUrl("s3", "b", "a cat.jpg"),
        StoreUrl("gs", "b", "cat.jpg"),
    ]


def test_a_path_is_no_url() -> None:
    """Catches a file:// URL, or a disk of Windows, that is refused."""
    assert not any(map(is_url, ("file:///a/cat.jpg", "C:/cat.jpg", "a:b", "://x", "")))
