"""Parts at a store: each row once, whatever is cut, refused, done twice or changed meanwhile."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import PIL.Image
import pytest

from e5v import E5V
from e5v.cli import main
from e5v.errors import DataError, UsageError
from e5v.parts import encoding, folders
from e5v.parts.check import check_parts
from e5v.parts.folders import open_folder
from e5v.parts.job import PartsProgress, encode_parts
from e5v.stores import clients
from tests.store_server import Bucket, Faults
from tests.tars import write_tar


@pytest.fixture(scope="module")
def model(checkpoints: Callable[[str], Path]) -> E5V:
    """Open a small model."""
    return E5V(checkpoints("llava_next_llama3"), dtype="float32")


@pytest.fixture
def things(bucket: Bucket, tmp_path: Path, photos: list[PIL.Image.Image]) -> str:
    """Put three photos, JSON lines that name two of them, and a tar of them to the store."""
    folder = tmp_path / "things"
    (folder / "photos").mkdir(parents=True)
    for name, photo in zip(("a.png", "b.png", "c.png"), photos, strict=False):
        photo.save(folder / "photos" / name)
    lines = [{"image": "photos/a.png", "text": "x"}, {"image": "gone.png"}, {"text": "y", "id": 7}]
    (folder / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    members = [(path.name, path.read_bytes()) for path in sorted((folder / "photos").iterdir())]
    write_tar(folder / "shard.tar", [*members, ("a.txt", b"caption")])
    return bucket.put_folder(folder, "things")


def encode(things: str, model: E5V, **options: object) -> PartsProgress:
    """Encode all of it in parts of two rows beside it, as one worker; return how far it came."""
    inputs = [f"{things}/photos/", f"{things}/lines.jsonl", Path(f"{things}/shard.tar")]
    inputs = inputs[: cast("int | None", options.pop("first", None))]
    given = {"part_rows": 2, "model": model} | options
    *_, done = encode_parts(inputs, f"{things}/parts/", **given)  # type: ignore[arg-type]
    return done


def parts_of(bucket: Bucket) -> dict[str, bytes]:
    """Return the content of every part, by the name of its object."""
    return {key: one for key, one in bucket.read().items() if key.startswith("things/parts/")}


def ids(things: str, tmp_path: Path) -> list[str | None]:
    """Return the ids of all rows in the order of the plan."""
    folder = open_folder(f"{things}/parts")
    plan = json.loads(folder.read("plan.json") or "")
    found: list[str | None] = []
    for one in plan["parts"]:
        with folder.open_part(f"{one['name']}.parquet") as file:
            found += file.read(columns=["id"])["id"].to_pylist()
    return found


def test_each_row_once(
    things: str, model: E5V, bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a row that is lost or doubled, a part that is encoded again, and a change unsaid."""
    done = encode(things, model)
    assert (done.parts, done.errors, done.missing) == (6, 1, 0)
    assert ids(things, tmp_path) == [
        *(f"{things}/photos/{name}.png" for name in "abc"),
        *(f"{things}/lines.jsonl:1", f"{things}/lines.jsonl:2", "7"),
        *(f"{things}/shard.tar/{name}.png" for name in "abc"),
    ]
    before = parts_of(bucket)
    assert encode(things, model).skipped == 6
    assert parts_of(bucket) == before
    assert main(["encode", "--check", f"{things}/parts/"]) == 0
    assert f"no trouble in {things}/parts" in capsys.readouterr().err
    bucket.put("things/photos/a.png", bucket.read()["things/photos/b.png"])
    done = encode(things, model)
    assert (done.parts, done.skipped) == (2, 4)  # of the photos, and of the lines that name it
    found = check_parts(open_folder(f"{things}/parts"))
    assert [one.trouble for one in found] == ["doubled", "doubled"]


def test_the_same_rows_as_here(things: str, model: E5V, tmp_path: Path) -> None:
    """Catches vectors of other bytes."""
    encode(things, model)
    there, here = open_folder(f"{things}/parts"), open_folder(tmp_path / "parts")
    source = tmp_path / "things"
    inputs = [source / "photos", source / "lines.jsonl", source / "shard.tar"]
    [*encode_parts(inputs, tmp_path / "parts", model, part_rows=2)]
    tables = []
    for folder in (there, here):
        plan = json.loads(folder.read("plan.json") or "")
        rows: list[dict[str, object]] = []
        for one in plan["parts"]:
            with folder.open_part(f"{one['name']}.parquet") as file:
                rows += file.read(columns=["content", "vector", "tokens"]).to_pylist()
        tables.append(rows)
    assert tables[0] == tables[1]


def test_two_workers_and_every_fault(
    things: str, model: E5V, bucket: Bucket, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a part that is half there, a worker that gives up, and one that replaces a part."""
    faults.add("cut", "PUT", 3)
    faults.add("lose", "PUT", 2)
    for method in ("GET", "PUT", "HEAD"):
        faults.add("busy", method, 2)
    faults.add("slow", "GET", 5)
    with ThreadPoolExecutor(2) as pool:
        done = [*pool.map(lambda _: encode(things, model), range(2))]
    assert [one.missing for one in done] == [0, 0]
    assert not faults.waiting
    assert list(check_parts(open_folder(f"{things}/parts"))) == []
    assert len(parts_of(bucket)) == 6 + 3


def test_a_write_that_fails(
    things: str, model: E5V, bucket: Bucket, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches half a part after a worker that gave up, and one that cannot go on after it."""
    monkeypatch.setattr(clients, "RETRIES", 0)
    encode(things, model, first=1)
    gone = sorted(key for key in parts_of(bucket) if key.endswith(".parquet"))[0]
    for in_one_piece in (2**20, 0):
        monkeypatch.setattr(folders, "IN_ONE_PIECE", in_one_piece)
        bucket.delete(gone)
        faults.add("cut", "PUT", 20, path=".parquet")
        with pytest.raises(DataError, match=r"cannot be written"):
            encode(things, model, first=1)
        faults.waiting.clear()
        assert gone not in parts_of(bucket)
        assert encode(things, model, first=1).parts == 1
        assert gone in parts_of(bucket)
    assert list(check_parts(open_folder(f"{things}/parts"))) == []


def test_what_changes_meanwhile(
    things: str, model: E5V, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a part under the name of other photos."""
    real = encoding._encode_rows

    def change(*given: object) -> object:
        bucket.put("things/photos/a.png", b"changed")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(encoding, "_encode_rows", change)
    with pytest.raises(DataError, match=r"photos/a\.png changed while it was read; run this again"):
        encode(things, model, first=1)
    assert [key for key in parts_of(bucket) if key.endswith(".parquet")] == []


def test_inputs_that_are_not_there(things: str, model: E5V) -> None:
    """Catches an input that is left out because of a typing error, and one that is no input."""
    for name in ("phtos/", "lines.json", "none.jsonl", "photos/none.png"):
        with pytest.raises(UsageError, match=r"(holds no images|does not exist); check the URL"):
            encode_parts([f"{things}/photos", f"{things}/{name}"], "x", model, part_rows=2)


def test_the_store_goes_down(
    things: str, model: E5V, bucket: Bucket, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches rows of errors for images that could not be fetched, which would stay so."""
    monkeypatch.setattr(clients, "RETRIES", 0)
    real = encoding._encode_rows

    def go_down(*given: object) -> object:
        faults.add("busy", "GET", 99)
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(encoding, "_encode_rows", go_down)
    with pytest.raises(DataError, match="the store says SlowDown; try again later"):
        encode(things, model, first=1)
    faults.waiting.clear()
    assert [key for key in parts_of(bucket) if key.endswith(".parquet")] == []


def test_an_index_of_parts_at_a_store(
    things: str, model: E5V, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an index of other rows, and one of inputs that it cannot follow."""
    pytest.importorskip("lancedb")
    photos, parts = tmp_path / "things/photos", f"{things}/of-here"
    [*encode_parts([photos], parts, model, part_rows=2)]
    index = tmp_path / "index"
    assert main(["index", "--vectors", f"{parts}/", "--index", str(index)]) == 0
    capsys.readouterr()
    assert main(["index", "--index", str(index), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["items"], said["embedded"], said["unreadable"]) == (3, 0, [])
    encode(things, model)
    assert main(["index", "--vectors", f"{things}/parts", "--index", str(tmp_path / "no")]) == 1
    assert "which an index cannot follow; encode folders of this" in capsys.readouterr().err
