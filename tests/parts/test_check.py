"""A folder of parts that somebody changed: what a check says, and what the next worker does."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from e5v.errors import DataError
from e5v.parts.check import check_parts, commit, read_committed
from e5v.parts.folders import DiskFolder
from e5v.parts.job import encode_parts
from tests.parts.conftest import Collection


def change(name: str, old: str, new: str) -> Callable[[Path], object]:
    """Return a function that changes a file of a folder by hand."""

    def edit(folder: Path) -> None:
        content = (folder / name).read_text()
        assert old in content
        (folder / name).write_text(content.replace(old, new, 1))

    return edit


BY_HAND: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (
        lambda folder: (folder / "manifest.json").unlink(),
        "missing manifest.json: the parts are not committed",
    ),
    "rows in a manifest": (
        change("manifest.json", '"rows": 2', '"rows": 99'),
        "damaged manifest.json: it is of another state of the folder; commit it again",
    ),
    "a manifest of bytes": (
        lambda folder: (folder / "manifest.json").write_bytes(b"\xff"),
        "damaged manifest.json: it is of another state",
    ),
    "a manifest of null": (
        lambda folder: (folder / "manifest.json").write_text("null"),
        "damaged manifest.json: it is of another state",
    ),
    "settings": (
        change("settings.json", '"dtype": "float32"', '"dtype": "bfloat16"'),
        "damaged manifest.json: it is of another state",
    ),
    "settings of bytes": (
        lambda folder: (folder / "settings.json").write_bytes(b"\xff"),
        "damaged settings.json: .*settings.json cannot be read",
    ),
    "no settings": (
        lambda folder: (folder / "settings.json").unlink(),
        "missing settings.json: no worker can go on",
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_what_was_changed_by_hand(name: str, collection: Collection) -> None:
    """Catches "no trouble" with a folder that nobody can read on, and an index made of it."""
    collection.encode(photos=False)
    folder = DiskFolder(collection.out)
    edit, message = BY_HAND[name]
    edit(collection.out)
    [finding] = check_parts(folder)
    assert re.match(message, str(finding))
    with pytest.raises(DataError, match=r"committed|cannot be read|no settings"):
        read_committed(folder)
    if finding.file == "manifest.json":
        commit(folder)
        assert list(check_parts(folder)) == []
        read_committed(folder)


def test_a_plan_that_is_none(collection: Collection) -> None:
    """Catches a fault of the program where a file is at fault."""
    collection.encode(photos=False)
    folder = DiskFolder(collection.out)
    change("plan.json", '"count": 2', '"count": "2"')(collection.out)
    for content in ((collection.out / "plan.json").read_bytes(), b"\xff\xfe"):
        (collection.out / "plan.json").write_bytes(content)
        with pytest.raises(DataError, match=r"plan.json cannot be read as a plan"):
            list(check_parts(folder))
    collection.encode(photos=False)
    assert list(check_parts(folder)) == []


def test_a_part_that_is_cut_short(collection: Collection) -> None:
    """Catches a folder that no run completes, and a message that does not say how to."""
    collection.encode(photos=False)
    file = next(collection.out.glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:99])
    with pytest.raises(DataError, match=f"remove {file} and encode it again"):
        collection.encode(photos=False)
    [finding] = check_parts(DiskFolder(collection.out))
    assert finding.reason.endswith("remove it and encode it again")
    file.unlink()
    assert collection.encode(photos=False).parts == 1
    assert list(check_parts(DiskFolder(collection.out))) == []


def test_inputs_that_grow_while_workers_run(collection: Collection) -> None:
    """Catches a worker that says of rows which the manifest lacks that they are committed."""
    collection.encode(photos=False)
    older = (collection.out / "plan.json").read_bytes()
    with collection.lines.open("a") as lines:
        lines.write('\n"six"')
    steps = encode_parts([collection.lines], collection.out, collection.model, part_rows=2)
    next(steps)
    (collection.out / "plan.json").write_bytes(older)  # by a worker that listed them before
    with pytest.raises(DataError, match=r"has another plan by now: .*; run this again"):
        list(steps)
    assert collection.encode(photos=False).manifest is not None


def test_a_part_that_another_worker_made_meanwhile(collection: Collection) -> None:
    """Catches a worker that was started twice and encodes everything twice."""
    steps = encode_parts([collection.lines], collection.out, collection.model, part_rows=2)
    assert next(steps).total == 5
    collection.encode(photos=False)
    times = {path: path.stat().st_ino for path in collection.out.glob("*.parquet")}
    *_, done = steps
    assert (done.parts, done.skipped, done.total, done.missing) == (0, 3, 0, 0)
    assert times == {path: path.stat().st_ino for path in collection.out.glob("*.parquet")}
