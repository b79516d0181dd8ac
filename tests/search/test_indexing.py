"""`e5v.index`: what the command does, in one call from Python."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import e5v
from e5v import E5V, DataError, ModelError, UsageError
from e5v.search.progress import Progress
from tests.adapters import write_adapter
from tests.search.followed import Followed


def test_a_folder_is_indexed_in_one_call(followed: Followed, model: E5V, tmp_path: Path) -> None:
    """Catches an index that lacks something, or that embeds everything again."""
    place, seen = tmp_path / "made", list[Progress]()
    done = e5v.index([followed.folder], index=place, model=model, progress=seen.append)
    assert (done.folder, done.faults) == (place, ())
    assert done.entries == done.progress.embedded == 6
    assert seen[-1] == done.progress
    with (followed.folder / "new.txt").open("w") as file:
        file.write("one more")
    again = e5v.index(index=place, model=model)
    assert (again.entries, again.progress.embedded) == (7, 1)
    assert len(e5v.Index.open(place)) == 7


def test_what_is_excluded_is_remembered(followed: Followed, model: E5V, tmp_path: Path) -> None:
    """Catches private photos that come back at the next call, and a path taken for its letters."""
    place = tmp_path / "made"
    e5v.index(str(followed.folder), index=place, model=model, exclude="photos/")
    assert e5v.index(index=place, model=model).entries == 4


def test_the_index_opens_its_own_model(followed: Followed, model: E5V, tmp_path: Path) -> None:
    """Catches vectors of two models, or of two precisions, in one index."""
    place = tmp_path / "made"
    e5v.index([followed.folder / "photos"], index=place, model=model)
    assert e5v.index([followed.folder], index=place).entries == 6
    with pytest.raises(DataError, match="cannot be compared"):
        e5v.index([followed.folder], index=place, model="nano")


def test_an_index_keeps_its_adapter(
    checkpoints: Callable[[str], Path], followed: Followed, tmp_path: Path
) -> None:
    """Catches a query embedded without the adapter that the vectors were made with."""
    base, place = checkpoints("llava_next_llama3"), tmp_path / "made"
    adapter = write_adapter(tmp_path / "adapter", base)
    tuned = E5V(base, adapter=adapter, dtype="float32")
    e5v.index([followed.folder / "photos"], index=place, model=tuned)
    assert e5v.index([followed.folder], index=place).entries == 6, "its own model is opened"
    with pytest.raises(DataError, match=f"was made with {base} with {adapter} .* cannot be comp"):
        e5v.index([followed.folder], index=place, model=E5V(base, dtype="float32"))
    usual = tmp_path / "usual"
    e5v.index([followed.folder / "photos"], index=usual, model=str(base))
    assert '"adapter"' not in (usual / "index.json").read_text(), "older versions open it"


def test_an_index_keeps_its_tiling(
    checkpoints: Callable[[str], Path], followed: Followed, tmp_path: Path
) -> None:
    """Catches vectors of two tilings in one index, and an index that forgets how it was made."""
    folder, place = checkpoints("llava_next_llama3"), tmp_path / "made"
    old = E5V(folder, dtype="float32", tiling="transformers-4.41")
    usual = E5V(folder, dtype="float32")
    e5v.index([followed.folder / "photos"], index=place, model=old)
    assert e5v.index([followed.folder], index=place).entries == 6, "its own model is opened"
    with pytest.raises(DataError, match=r"float32 with the tiling transformers-4\.41, or use"):
        e5v.index([followed.folder], index=place, model=usual)
    other = tmp_path / "usual"
    e5v.index([followed.folder / "photos"], index=other, model=usual)
    assert '"tiling"' not in (other / "index.json").read_text(), "older versions open it"
    with pytest.raises(DataError, match="cannot be compared"):
        e5v.index([followed.folder], index=other, model=old)


def test_an_index_keeps_its_image_tokens(
    checkpoints: Callable[[str], Path], followed: Followed, tmp_path: Path
) -> None:
    """Catches an index that forgets how much of an image its vectors have seen."""
    folder, place = checkpoints("llava_next_llama3"), tmp_path / "made"
    few = E5V(folder, dtype="float32", image_tokens=17)
    e5v.index([followed.folder / "photos"], index=place, model=few)
    assert json.loads((place / "index.json").read_text())["image_tokens"] == 17
    assert e5v.index([followed.folder], index=place).entries == 6, "its own model is opened"
    with pytest.raises(DataError, match=r"open it in float32 with image_tokens 17, or use another"):
        e5v.index([followed.folder], index=place, model=E5V(folder, dtype="float32"))


def test_a_model_folder_is_found_from_anywhere(
    checkpoints: Callable[[str], Path],
    followed: Followed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches an index that can be updated only from the folder where it was made."""
    folder, place = checkpoints("llava_next_llama3"), tmp_path / "made"
    monkeypatch.chdir(folder.parent)
    e5v.index([followed.folder / "photos"], index=place, model=folder.name)
    monkeypatch.chdir(tmp_path)
    assert e5v.index([followed.folder], index=place).entries == 6
    assert e5v.Index.open(place).model == str(folder)


def test_a_name_that_is_not_utf8_is_a_fault(followed: Followed, model: E5V, tmp_path: Path) -> None:
    """Catches a file left out without a word."""
    path = os.fsencode(followed.folder) + b"/\xff.png"
    with open(path, "wb") as file:  # noqa: PTH123  a Path cannot hold these bytes
        file.write((followed.folder / "a.png").read_bytes())
    done = e5v.index([followed.folder], index=tmp_path / "made", model=model)
    assert len(done.faults) == 1


def test_mistakes_leave_no_index(tmp_path: Path, model: E5V) -> None:
    """Catches an empty index left behind by a mistake."""
    place = tmp_path / "made"
    with pytest.raises(UsageError, match="nothing to index"):
        e5v.index(index=place, model=model)
    with pytest.raises(DataError, match="nowhere does not exist"):
        e5v.index([tmp_path / "nowhere"], index=place, model=model)
    with pytest.raises(UsageError, match="a new index needs a model"):
        e5v.index([tmp_path], index=place)
    with pytest.raises(ModelError, match="neither bundled"):
        e5v.index([tmp_path], index=place, model="nanoo")
    assert not place.exists() or not list(place.glob("*.json"))
