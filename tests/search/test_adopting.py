"""An index of vectors that are there: the one that embedding makes, or a refusal in one line."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import PIL.Image
import pytest

import e5v
from e5v import E5V
from e5v.errors import DataError, UsageError
from e5v.model.opening import Opening
from e5v.parts.folders import DiskFolder
from e5v.parts.job import PartJob, PartModel, run
from e5v.parts.settings import PartOptions
from e5v.parts.shards import Shard
from e5v.search import pending
from e5v.search.part_sources import make_index_sources

COLUMNS = ("id", "path", "kind", "part", "digest", "text", "thumbnail", "width", "height")
STATES = ("size", "mtime", "source", "source_size", "source_mtime", "source_parts")


@pytest.fixture
def things(tmp_path: Path, photos: list[PIL.Image.Image]) -> Path:
    """Give a folder of photos, one described by a line, one twice, one broken, and a text."""
    folder = tmp_path / "things"
    folder.mkdir()
    for name, photo in zip(("a.png", "b.jpg"), photos, strict=False):
        photo.save(folder / name)
    (folder / "again.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "broken.png").write_bytes(b"no image")
    lines = [{"image": "b.jpg", "caption": "a thing"}, {"text": "cafe\u0301"}, {"image": "no.jpg"}]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "note.md").write_text("\n\n".join(["word " * 110] * 2 + ["end"]))
    return folder


def encode(model: E5V, things: Path, out: Path, shard: str = "0/1", **options: Any) -> Path:
    """Encode a folder in parts for an index."""
    name = model.loaded.name
    opened = PartModel(name, lambda *_: model, Opening(dtype="float32"))
    asked = PartOptions(**{"part_rows": 4} | options)
    job = PartJob(make_index_sources([things]), DiskFolder(out), opened, asked)
    list(run(job, Shard.read(shard)))
    return out


def read(index: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the rows of an index by id, without their vectors, and the vectors."""
    table = lancedb.connect(index).open_table("entries").to_arrow()
    rows = table.select([*COLUMNS, *STATES]).to_pylist()
    return (
        {row["id"]: row for row in rows},
        dict(zip(table["id"].to_pylist(), table["vector"].to_pylist(), strict=True)),
    )


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_adopting_equals_embedding(
    model: E5V, things: Path, tmp_path: Path, precision: str
) -> None:
    """Catches a row, caption, thumbnail or fault that differs, and a run that embeds again."""
    parts = encode(model, things, tmp_path / "parts", precision=precision)
    made = e5v.index(things, index=tmp_path / "made", model=model)
    adopted = e5v.index(index=tmp_path / "adopted", vectors=parts)
    (rows, vectors), (own_rows, own_vectors) = map(read, (tmp_path / "adopted", tmp_path / "made"))
    assert rows == own_rows
    assert (adopted.entries, adopted.faults) == (made.entries, made.faults)
    assert len(made.faults) == 2
    for id, vector in vectors.items():  # in other batches, which round otherwise
        np.testing.assert_allclose(vector, own_vectors[id], atol=1e-3)
    assert not any(map(np.isnan, np.array(list(vectors.values()))[:, 0]))
    manifests = [
        json.loads((tmp_path / one / "index.json").read_text()) for one in ("made", "adopted")
    ]
    assert manifests[0] == manifests[1]
    again = e5v.index(index=tmp_path / "adopted", model=model)
    assert not again.progress.changed
    assert read(tmp_path / "adopted")[0] == rows
    photos = e5v.Index.open(tmp_path / "adopted").search(model.encode(["x"])[0])
    assert len(photos) == made.entries


def test_adopting_is_one_commit(
    model: E5V, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a reader that sees half of the parts, and a row or copy that is lost while held."""
    (things / "z.png").write_bytes((things / "a.png").read_bytes())
    parts = encode(model, things, tmp_path / "parts")
    e5v.index(things, index=tmp_path / "made", model=model)
    monkeypatch.setattr(pending, "COMMIT_ROWS", 2)
    done = e5v.index(index=tmp_path / "adopted", vectors=parts)
    assert done.progress.reused == 1  # z.png: the record of the same content was held back
    assert read(tmp_path / "adopted")[0] == read(tmp_path / "made")[0]
    table = lancedb.connect(tmp_path / "adopted").open_table("entries")
    assert table.version == 2  # it was made, and written once
    assert not (tmp_path / "adopted" / ".held").exists()


def read_state(index: Path) -> tuple[object, ...]:
    """Return what a reader sees of an index before a writer opens it: entries and roots."""
    opened = e5v.Index.open(index)
    rows = opened.search(np.full(64, 1 / 8, np.float32), k=99)
    roots = json.loads((index / "index.json").read_text())["roots"]
    return sorted((hit.entry.id, hit.entry.digest, hit.entry.text) for hit in rows), roots


@pytest.mark.parametrize(
    ("trap", "written"),
    [
        ("held_rows.HeldRows.add+ 2", False),
        ("writer.Writer._add_signs+ 2", False),
        ("entry_table.Table.add_batches 1", False),
        ("entry_table.Table.add_batches+ 1", True),
    ],
)
@pytest.mark.usefixtures("warm")
def test_an_adoption_that_is_killed_changes_nothing(
    model: E5V,
    things: Path,
    tmp_path: Path,
    photos: list[PIL.Image.Image],
    trap: str,
    *,
    written: bool,
) -> None:
    """Catches half of the parts in an index, and a run after it that lacks or doubles a row."""
    index, expected = tmp_path / "index", tmp_path / "expected"
    e5v.index(index=index, vectors=encode(model, things, tmp_path / "first"))
    photos[2].save(things / "a.png")
    photos[3].save(things / "new.png")
    (things / "more.md").write_text("more")
    parts = encode(model, things, tmp_path / "parts")
    before = read_state(index)
    shutil.copytree(index, expected)
    e5v.index(index=expected, vectors=parts)
    program = [sys.executable, "-m", "tests.search.killed_adopting"]
    command = [*program, str(parts), str(index), *trap.split()]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert read_state(index) == (read_state(expected) if written else before)
    e5v.index(index=index, vectors=parts)
    assert read(index) == read(expected)
    assert read_state(index) == read_state(expected)
    assert not (index / ".held").exists()


def test_images_encoded_without_an_index_in_mind(
    model: E5V, tmp_path: Path, photos: list[PIL.Image.Image]
) -> None:
    """Catches parts of plain `e5v encode` that are refused, or adopted where texts are missing."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photos[0].save(folder / "a.png")
    list(e5v.encode_parts([folder], tmp_path / "parts", model, part_rows=5))
    assert e5v.index(index=tmp_path / "index", vectors=tmp_path / "parts").entries == 1
    (folder / "note.txt").write_text("not encoded")
    with pytest.raises(DataError, match=r"no vector of .*/note\.txt, .*with --for-index"):
        e5v.index(index=tmp_path / "index", vectors=tmp_path / "parts")
    list(e5v.encode_parts(["a"], tmp_path / "texts", model, part_rows=5))
    with pytest.raises(DataError, match="given one by one, which an index cannot follow"):
        e5v.index(index=tmp_path / "index", vectors=tmp_path / "texts")


@pytest.mark.parametrize(
    ("line", "adopted"),
    [
        ({"text": "a thing"}, 2),
        ({"image": "a.png"}, 2),
        ({"image": "a.png", "text": "a thing"}, 0),
    ],
)
def test_lines_encoded_without_an_index_in_mind(
    model: E5V, tmp_path: Path, line: dict[str, str], adopted: int
) -> None:
    """Catches an index that is begun, and stops at an image that was encoded with its caption."""
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    lines = tmp_path / "lines.jsonl"
    lines.write_text(f'{{"text": "first"}}\n{json.dumps(line)}')
    list(e5v.encode_parts([lines], tmp_path / "parts", model, part_rows=5))
    if adopted:
        assert e5v.index(index=tmp_path / "index", vectors=tmp_path / "parts").entries == adopted
    else:
        with pytest.raises(DataError, match=r"no vector of .*/lines\.jsonl:2, which an index has"):
            e5v.index(index=tmp_path / "index", vectors=tmp_path / "parts")
        assert not (tmp_path / "index").exists()


def test_what_cannot_be_adopted(model: E5V, tmp_path: Path) -> None:
    """Catches an index of half a collection, of other vectors, or of damaged ones."""
    things = tmp_path / "things"
    things.mkdir()
    (things / "texts.jsonl").write_text("\n".join(f'{{"text": "{one}"}}' for one in "uvwxyz"))
    index, parts = tmp_path / "index", tmp_path / "parts"

    def refused(folder: Path, message: str) -> None:
        with pytest.raises(DataError, match=message):
            e5v.index(index=index, vectors=folder)
        assert not index.exists()

    refused(tmp_path, "holds no parts")
    encode(model, things, parts, shard="0/2")
    refused(parts, "is not committed: 1 of 2 parts missing")
    encode(model, things, parts, shard="1/2")
    refused(encode(model, things, tmp_path / "bits", precision="binary"), "vectors in binary")
    refused(encode(model, things, tmp_path / "short", dim=8), "the width 8, but an index needs 64")
    refused(encode(model, things, tmp_path / "sts", prompt="sts"), "the prompt sts, but an index")
    with pytest.raises(UsageError, match="leave out both"):
        e5v.index(things, index=index, vectors=parts)
    file = next(parts.glob("*.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    refused(parts, r"cannot be read as Parquet: .*; remove .*\.parquet and encode it again")
    file.unlink()
    refused(parts, "lacks 1 of 2 parts, the first is")
    file.write_bytes(whole)
    with (things / "texts.jsonl").open("a") as lines:
        lines.write('\n{"text": "more"}')
    refused(parts, "have changed since it was committed; encode it again")


def test_an_index_of_another_model(model: E5V, tmp_path: Path) -> None:
    """Catches vectors of two models in one index, and a damaged page that is adopted."""
    (tmp_path / "note.txt").write_text("one")
    other = E5V(model.loaded, readout="last")
    parts = encode(model, tmp_path / "note.txt", tmp_path / "parts")
    e5v.index(tmp_path / "note.txt", index=tmp_path / "index", model=other)
    manifest = tmp_path / "index" / "index.json"
    stored = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(stored | {"fingerprint": "0" * 32 + "-retrieval"}))
    with pytest.raises(DataError, match="their vectors cannot be compared"):
        e5v.index(index=tmp_path / "index", vectors=parts)
    file = next(parts.glob("*.parquet"))
    content = bytearray(file.read_bytes())
    vector = model.encode(["one"])[0, :8].tobytes()
    content[content.index(vector[:4])] ^= 255
    file.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        e5v.index(index=tmp_path / "new", vectors=parts)
    assert read(tmp_path / "new") == ({}, {})
    assert json.loads((tmp_path / "new" / "index.json").read_text())["roots"] == []
