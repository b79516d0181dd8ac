"""Data sets of the hub, from folders that are laid out like them: nothing is fetched."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e5v.errors import DataError, MissingExtraError
from e5v.evaluation.composed import CATEGORIES, read_cirr, read_fashioniq
from e5v.evaluation.hub import (
    HubSet,
    read_hub_captions,
    read_hub_cirr,
    read_hub_cirr_test,
    read_hub_fashioniq,
)
from e5v.evaluation.tasks import Search, Submission
from tests.evaluation.asked import items_of, searches_of, told

datasets = pytest.importorskip("datasets", reason="the extra `eval` is not installed")
Rows = list[dict[str, Any]]
Stored = Callable[[str, str, Rows], HubSet]


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stored:
    """Store rows as the hub does, and give the data set that they are then."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def store(name: str, split: str, rows: Rows) -> HubSet:
        folder = tmp_path / name / "data"
        folder.mkdir(parents=True)
        table = datasets.Dataset.from_list(rows)
        for column in {"image", "img", "candidate"}.intersection(table.column_names):
            table = table.cast_column(column, datasets.Image())
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")
        return HubSet(str(folder.parent), split)

    return store


def image(name: str) -> dict[str, object]:
    """Give an image's cell; it is not decoded, so that it need not be one."""
    return {"bytes": f"pixels of {name}".encode(), "path": f"{name}.png"}


def test_captions(stored: Stored) -> None:
    """An image with the captions of another; one that is decoded, and encoded anew by us."""
    rows = [{"image": image(f"{n}"), "text": [f"{n} is {m}" for m in range(6)]} for n in range(3)]
    source = stored("coco_test", "test", rows)
    material = read_hub_captions(source)
    images, texts = searches_of(material)
    assert list(items_of(images.candidates)) == [f"pixels of {n}".encode() for n in range(3)]
    assert told(images)["2 is 4"] == [b"pixels of 2"]
    assert told(texts)[b"pixels of 1"] == [f"1 is {m}" for m in range(5)]
    assert material.notes == ("left out: 3 captions, beyond the first 5 of their image",)
    assert re.fullmatch(re.escape(source.name) + "@[0-9a-f]{12}", material.revision)
    again = stored("other_test", "test", rows[:2])
    assert read_hub_captions(again).revision.split("@")[1] != material.revision.split("@")[1]


def same_task(ours: Search, theirs: Search) -> None:
    """Compare what is asked and what is right; images by their names."""
    names = {path: f"pixels of {path.stem}".encode() for path in items_of(ours.candidates)}
    assert list(items_of(theirs.candidates)) == list(names.values())
    for our_pool, their_pool in zip(ours.queries, theirs.queries, strict=True):
        assert list(items_of(their_pool)) == [
            item | {"image": names[item["image"]]} for item in items_of(our_pool)
        ]
        assert our_pool.prompt == their_pool.prompt
    assert (ours.name, ours.cutoffs, ours.candidates.prompt) == (
        theirs.name,
        theirs.cutoffs,
        theirs.candidates.prompt,
    )
    assert list(map(list, ours.relevance.true)) == list(map(list, theirs.relevance.true))
    hidden = [
        relevance.hidden and list(map(list, relevance.hidden))
        for relevance in (ours.relevance, theirs.relevance)
    ]
    assert hidden[0] == hidden[1]


def rows_of(task: Search) -> Rows:
    """Put the queries of a task as the official code's data sets have them."""
    items = items_of(task.candidates)
    return [
        {
            "candidate": image(query["image"].stem),
            "candidate_id": query["image"].stem,
            "caption": query["text"],
            "target_id": items[true[0]].stem,
        }
        for query, true in zip(items_of(task.queries[0]), task.relevance.true, strict=True)
    ]


def gallery_of(task: Search) -> Rows:
    """Put the candidates of a task as the official code's data sets have them."""
    return [{"id": path.stem, "img": image(path.stem)} for path in items_of(task.candidates)]


def test_cirr_is_what_the_published_files_make(stored: Stored, cirr: Path) -> None:
    """Two sources of one benchmark that measure different things."""
    ours = read_cirr(cirr).tasks[0]
    assert isinstance(ours, Search)
    queries, images = (
        stored("cirr_val", "val", rows_of(ours)),
        stored("cirr_imgs", "val", gallery_of(ours)),
    )
    material = read_hub_cirr(queries, images)
    (theirs,) = material.tasks
    assert isinstance(theirs, Search)
    same_task(ours, theirs)
    assert material.notes == ("the hub's copy has no subsets",)
    names = [one.split("@")[0] for one in material.revision.split(", ")]
    assert names == [queries.name, images.name]


def test_cirrs_test_split_is_what_the_published_files_make(stored: Stored, cirr: Path) -> None:
    """A file for the server with another id, or with the reference among the answers."""
    (ours,) = read_cirr(cirr, "test1").tasks
    assert isinstance(ours, Submission)
    queries: Rows = [
        {
            "candidate": image(item["image"].stem),
            "candidate_id": item["image"].stem,
            "caption": item["text"],
            "pairid": int(number),
        }
        for item, number in zip(items_of(ours.queries[0]), ours.ids, strict=True)
    ]
    candidates: Rows = [{"id": name, "img": image(name)} for name in ours.names]
    material = read_hub_cirr_test(
        stored("cirr_test", "test", queries), stored("cirr_imgs", "test", candidates)
    )
    (theirs,) = material.tasks
    assert isinstance(theirs, Submission)
    assert (list(theirs.ids), list(theirs.names)) == (list(ours.ids), list(ours.names))
    assert list(map(list, theirs.hidden)) == list(map(list, ours.hidden))
    assert [item["text"] for item in items_of(theirs.queries[0])] == [
        item["text"] for item in items_of(ours.queries[0])
    ]
    assert theirs.queries[0].prompt == ours.queries[0].prompt == theirs.candidates.prompt
    assert not any(theirs.among)


def test_fashioniq_is_what_the_published_files_make(stored: Stored, fashioniq: Path) -> None:
    """Two sources of one benchmark that measure different things; candidates of all categories."""
    captions = [["is red.", " has no sleeves?"], ["", "is longer, and blue"]]
    published = read_fashioniq(fashioniq)
    queries: Rows = []
    images: Rows = []
    for place in range(2):  # categories in turn, so that rows of one are not together
        for task in published.tasks:
            assert isinstance(task, Search)
            queries.append(
                rows_of(task)[place] | {"category": task.name, "caption": captions[place]}
            )
    for place in range(3):
        for task in published.tasks:
            assert isinstance(task, Search)
            images.append(gallery_of(task)[place] | {"category": task.name})
    material = read_hub_fashioniq(
        stored("fashioniq_val", "val", queries), stored("fashioniq_val_imgs", "val", images)
    )
    assert [task.name for task in material.tasks] == list(CATEGORIES)
    for ours, theirs in zip(published.tasks, material.tasks, strict=True):
        assert isinstance(ours, Search)
        assert isinstance(theirs, Search)
        same_task(ours, theirs)


def test_other_columns_are_named(stored: Stored) -> None:
    """A KeyError for a data set that was renamed."""
    source = stored("coco_test", "test", [{"img": image("0"), "caption": "a cat"}])
    with pytest.raises(
        DataError, match="has the columns img, caption; expected image, text, and image, text is"
    ):
        read_hub_captions(source)


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ({"caption": " "}, 'row 2 has an empty "caption"'),
        (
            {"target_id": "dev-9"},
            "row 2 names the image 'dev-9', which is not among the candidates",
        ),
        ({"candidate_id": None}, 'row 2 has no "candidate_id"'),
    ],
)
def test_a_wrong_row_is_named(
    stored: Stored, cirr: Path, row: dict[str, object], cause: str
) -> None:
    """A query that is left out, or judged by another's truth."""
    ours = read_cirr(cirr).tasks[0]
    assert isinstance(ours, Search)
    first, second = rows_of(ours)
    queries = stored("cirr_val", "val", [first, second | row])
    with pytest.raises(
        DataError, match=rf"cirr_val@[0-9a-f]+: 1 of 2 rows cannot be used \({cause}"
    ):
        read_hub_cirr(queries, stored("cirr_imgs", "val", gallery_of(ours)))


def test_an_image_that_is_not_there(stored: Stored) -> None:
    """An image that is not there, embedded as something else."""
    rows: Rows = [{"image": image("0"), "text": "a"}, {"image": None, "text": "b"}]
    images, _ = searches_of(read_hub_captions(stored("coco_test", "test", rows)))
    with pytest.raises(DataError, match=r"coco_test@[0-9a-f]+, row 2 has no encoded image"):
        items_of(images.candidates)[1]


def test_a_set_that_cannot_be_opened(tmp_path: Path, stored: Stored) -> None:
    """A page of traceback where there is no network, no such set, or no such split."""
    for source in (
        HubSet("royokong/flickr30k_test", "test", "0123456"),
        HubSet(str(tmp_path / "nowhere"), "test"),
        HubSet(stored("coco_test", "train", [{"image": image("0"), "text": "a"}]).name, "test"),
    ):
        with pytest.raises(DataError, match=f"{source}, split test, cannot be opened: ") as error:
            read_hub_captions(source)
        assert "\n" not in str(error.value)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ImportError for a user who did not install an extra."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'e5v\[eval\]'"):
        read_hub_captions(HubSet("royokong/flickr30k_test", "test"))
