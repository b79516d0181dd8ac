"""Items at a store: the vectors of the same files on this machine, bit for bit."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e5v import E5V, Encoded
from e5v.cli import main
from e5v.errors import DataError, ItemError
from e5v.inputs import RawItem
from e5v.stores import clients
from tests.store_server import Bucket, Faults
from tests.tars import write_tar


@pytest.fixture(scope="module")
def small_folder(checkpoints: Callable[[str], Path]) -> Path:
    """Give the folder of a small model."""
    return checkpoints("llava_next_llama3")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, photos: list[PIL.Image.Image]) -> Path:
    """Make photos, and JSON lines, Parquet and a tar that name or hold them."""
    root = tmp_path_factory.mktemp("things")
    folder = root / "photos"
    (folder / "a").mkdir(parents=True)
    for name, photo in zip(("a.png", "a/z.png", "b c.png"), photos, strict=False):
        photo.save(folder / name)
    (folder / ".hidden.png").write_bytes(b"no image")
    (folder / "note.txt").write_text("no image")
    named = {"image": "photos/a.png", "text": "one"}
    lines: list[object] = [named, {"image": "photos/b c.png"}, "a text", ["photos/a/z.png", "and"]]
    (root / "items.jsonl").write_text("\n".join(map(json.dumps, lines)))
    content = (folder / "a.png").read_bytes()
    images = [{"bytes": content, "path": None}, {"bytes": None, "path": "photos/b c.png"}, None]
    texts = {"text": ["x", None, "y"], "id": [1, 2, 3], "label": [7, 8, 9]}
    pq.write_table(pa.table({"image": images, **texts}), root / "items.parquet")
    members = [("a.png", content), ("b.png", (folder / "b c.png").read_bytes()), ("a.txt", b"one")]
    write_tar(root / "shard.tar", members)
    return root


@pytest.fixture
def encode(
    small_folder: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[list[dict[str, object]], str]]:
    """Return a function that runs `e5v encode` and returns its lines, and what it says."""

    def encode(*arguments: object) -> tuple[list[dict[str, object]], str]:
        model = ("--model", small_folder, "--dtype", "float32")
        code = main(["encode", *map(str, (*arguments, *model))])
        written = capsys.readouterr()
        assert code == 0, written.err
        return [*map(json.loads, written.out.splitlines())], written.err

    return encode


INPUTS = ("photos/", "photos/b c.png", "items.jsonl", "items.parquet", "shard.tar")


def test_the_same_vectors_as_of_files(
    encode: Callable[..., tuple[list[dict[str, object]], str]], files: Path, bucket: Bucket
) -> None:
    """Catches other bytes, another order, an item that is lost, and a label that is no URL."""
    url = bucket.put_folder(files, "deep/things")
    here, said_here = encode(*(files / name for name in INPUTS))
    there, said_there = encode(*(f"{url}/{name}" for name in INPUTS))
    assert len(here) == 3 + 1 + 4 + 3 + 2
    assert [one["vector"] for one in here] == [one["vector"] for one in there]
    labels = json.dumps([{**one, "vector": 0} for one in here]).replace(str(files), url)
    assert [{**one, "vector": 0} for one in there] == json.loads(labels)
    assert "left out of the folders: 1 .txt" in said_here
    assert said_here == said_there


def test_items_in_python(small_folder: Path, files: Path, bucket: Bucket) -> None:
    """Catches a URL that is embedded as a text, in a list or from a generator."""
    url, file = bucket.put("x/a.png", files / "photos/a.png"), files / "photos/a.png"
    model = E5V(small_folder, dtype="float32")
    mixture: RawItem = {"image": url, "text": "a cat"}
    items: list[RawItem] = [url, mixture, ["see", Path(url)], {"text": url}]
    vectors = model.encode(items)
    expected = model.encode([file, {"image": file, "text": "a cat"}, ["see", file], {"text": url}])
    np.testing.assert_array_equal(vectors, expected)
    drawn = [one.vector for one in model.encode_iter(iter(items)) if isinstance(one, Encoded)]
    np.testing.assert_array_equal(drawn, expected)


def test_what_is_missing_or_cannot_be_reached(
    small_folder: Path, bucket: Bucket, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a row of errors where the store is down, and an item that ends the others."""
    monkeypatch.setattr(clients, "RETRIES", 0)
    model, url = E5V(small_folder, dtype="float32"), str(bucket.url / "gone.png")
    with pytest.raises(ItemError, match=r"item 1: s3://\S+/gone\.png does not exist; check"):
        model.encode(["a", {"image": url}])
    with pytest.warns(UserWarning, match="1 of 2 items skipped"):
        assert len(model.encode(["a", {"image": url}], on_error="skip")) == 1
    faults.add("busy", "GET")
    with pytest.raises(DataError, match=r"gone\.png cannot be read: the store says SlowDown; try"):
        model.encode(["a", {"image": url}], on_error="skip")


MISTAKES = {
    "none.png": (2, "does not exist; check the URL"),
    "none.jsonl": (2, "does not exist; check the URL"),
    "none.tar": (2, "does not exist; check the URL"),
    "none/": (2, "holds no images; expected files ending in"),
    "note.txt": (2, "is a file, but no image and no .jsonl, .parquet or .tar"),
    "bad.jsonl": (1, "bad.jsonl, line 1 names '/etc/a.png', a path of one machine"),
    "bad.parquet": (1, "bad.parquet cannot be read as Parquet"),
    "bad.tar": (1, "bad.tar cannot be read as a tar"),
    "other.parquet": (1, "other.parquet has no column of texts or images; it has a"),
}


def test_mistakes_are_one_line(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a model that is opened for nothing, and an error of the store's client."""
    for name in ("note.txt", "bad.parquet", "bad.tar"):
        bucket.put(name, b"x" * 600)
    bucket.put("bad.jsonl", b'{"image": "/etc/a.png"}')
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    bucket.put("other.parquet", tmp_path / "x.parquet")
    for name, (code, message) in MISTAKES.items():
        assert main(["encode", f"{bucket.url}/{name}", "--model", "no-model"]) == code
        [line] = capsys.readouterr().err.splitlines()
        assert message in line
    assert main(["encode", "s3://no-such-bucket-here/photos/"]) == 1
    assert "does not exist; check the name of the bucket" in capsys.readouterr().err


def test_only_what_is_needed_is_read(
    bucket: Bucket, faults: Faults, files: Path, tmp_path: Path
) -> None:
    """Catches a listing that opens images, and a tar or table that is fetched whole."""
    from e5v.item_tables import check_item_table
    from e5v.left_out import LeftOut
    from e5v.tar_items import read_tar
    from e5v.verbs.inputs import gather

    large = write_tar(tmp_path / "x.tar", [(f"{n}.png", bytes(500_000)) for n in range(4)])
    bucket.put("photos/x.png", large)
    bucket.put("x.tar", large)
    table = pa.table({"text": ["a"] * 9, "other": [bytes(200_000)] * 9})
    pq.write_table(table, tmp_path / "x.parquet", compression="none", use_dictionary=False)
    bucket.put("x.parquet", tmp_path / "x.parquet")
    faults.seen.clear()
    assert len([*gather([f"{bucket.url}/photos/"])]) == 1
    assert len([*read_tar(bucket.url / "x.tar", LeftOut())]) == 4
    check_item_table(bucket.url / "x.parquet")
    assert len([*gather([f"{bucket.url}/x.parquet"])]) == 9
    assert 0 < sum(size for method, _, size in faults.seen if method == "GET") < 700_000


def test_a_missing_library(
    bucket: Bucket, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a traceback, and a model that is opened before."""
    monkeypatch.setattr("e5v.extras.is_installed", lambda library: library != "obstore")
    assert main(["encode", f"{bucket.url}/photos/"]) == 1
    assert capsys.readouterr().err == (
        "e5v: s3:// needs obstore, which is not installed; pip install 'e5v[stores]'\n"
    )


def test_a_tar_that_changes_while_it_is_read(
    bucket: Bucket, files: Path, small_folder: Path
) -> None:
    """Catches bytes of another tar between two members."""
    from e5v.left_out import LeftOut
    from e5v.tar_items import TarItem, read_tar

    bucket.put("x.tar", files / "shard.tar")
    items = [
        one.item for one in read_tar(bucket.url / "x.tar", LeftOut()) if isinstance(one, TarItem)
    ]
    bucket.put("x.tar", b"x" * 20_000)
    with pytest.raises(DataError, match=r"x\.tar changed while it was read; run this again"):
        E5V(small_folder, dtype="float32").encode(items, on_error="skip")
