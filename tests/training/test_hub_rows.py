"""Data sets of the hub as training data, from folders that are laid out like them."""

import sys
from pathlib import Path
from typing import Any

import pytest

from e5v.errors import DataError, MissingExtraError, UsageError
from e5v.hub_sets import HubSplit
from e5v.training.reading import read_triplets
from e5v.training.sampler import Batches
from e5v.training.triplets import Triplet
from tests.training.pictures import write_lines
from tests.training.triplet_files import causes

datasets = pytest.importorskip("datasets", reason="the extra `eval` is not installed")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder that datasets reads like the hub, by ORG/NAME."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _store(folder: Path, rows: list[dict[str, Any]], split: str = "train") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_list(rows)
    if "image" in table.column_names:
        table = table.cast_column("image", datasets.Image())
    table.to_parquet(folder / f"{split}-00000-of-00001.parquet")


def test_rows_of_the_hub_are_those_of_a_file(home: Path) -> None:
    """Rows in another order than theirs, of another split, or without their negatives."""
    rows: list[dict[str, Any]] = [
        {"query": f"q{n}", "pos": ["a", "b"][: n % 3], "neg": [f"n{n}"], "id": n} for n in range(20)
    ]
    _store(home / "org" / "set" / "data", rows)
    _store(home / "org" / "set" / "data", rows[:3], "test")
    source = Path("hub:org/set:train")
    read = read_triplets([source])
    file = read_triplets([write_lines(home / "a.jsonl", rows)])
    assert list(read.rows) == list(file.rows)
    assert (list(read.places), read.content) == (list(file.places), file.content)
    assert [row for row, _ in causes(read)] == [row for row, _ in causes(file)]
    assert str(read.broken[0]) == "hub:org/set:train, row 1: pos is empty"
    assert read.notes == ("hub:org/set:train: ignored columns: id",)
    assert Batches(read, 4, 3)[1] == Batches(file, 4, 3)[1]
    assert len(read_triplets([Path("hub:org/set:test")]).rows) == 3


def test_images_of_the_hub(home: Path, folder: Path) -> None:
    """Images that are decoded and encoded anew, or looked for beside the current folder."""
    content = (folder / "images" / "0.png").read_bytes()
    _store(home / "org" / "set" / "data", [{"image": {"bytes": content}, "text": "noise 0"}])
    (read,) = read_triplets([Path("hub:org/set:train")]).rows
    assert read.positive == "noise 0"
    (file,) = read_triplets([folder / "captions.jsonl"]).rows[:1]
    assert isinstance(read, Triplet)
    assert read.anchor.images[0].source == content  # type: ignore[union-attr]
    assert file.anchor.images[0].source.read_bytes() == content  # type: ignore[union-attr]


def test_the_names_of_data_sets() -> None:
    """A file that is looked for on the hub, or a subset that is taken for the name."""
    assert HubSplit.of(Path("hub.jsonl")) is None
    assert HubSplit.of(Path("hub:a/b:train")) == HubSplit("a/b", "train")
    assert HubSplit.of(Path("hub:a/b/c-d:train")) == HubSplit("a/b", "train", "c-d")
    for wrong in ("hub:a", "hub:a:train", "hub:a/b", "hub:a/b:", "hub:a/b:c/d"):
        with pytest.raises(UsageError, match="expected hub:ORG/NAME:SPLIT"):
            HubSplit.of(Path(wrong))


def test_a_data_set_that_cannot_be_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A screenful of the network's attempts, or of a library that is not installed."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="the data set hub:no/such:train cannot be opened: ") as e:
        read_triplets([Path("hub:no/such:train")])
    assert "\n" not in str(e.value)
    _store(home / "org" / "set" / "data", [{"label": 1}])
    with pytest.raises(DataError, match=r"hub:org/set:train: its columns are label; expected anch"):
        read_triplets([Path("hub:org/set:train")])
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match="a data set of the hub needs datasets, which is"):
        read_triplets([Path("hub:org/set:train")])
