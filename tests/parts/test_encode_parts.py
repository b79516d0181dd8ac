"""Parts: each row once, whatever is killed, done twice, broken or changed meanwhile."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e5v import E5V
from e5v.errors import DataError, UsageError
from e5v.inputs import RawItem
from e5v.model.opening import Opening
from e5v.parts import job as job_module
from e5v.parts.check import check_parts
from e5v.parts.encoding import PartTally, encode_part
from e5v.parts.folders import DiskFolder
from e5v.parts.job import PartJob, PartModel, encode_parts
from e5v.parts.part_file import read_vectors
from e5v.parts.plan import Part
from e5v.parts.settings import PartOptions
from e5v.parts.sources import make_sources
from e5v.vectors import Precision, quantise
from tests.parts.conftest import Collection


def read(out: Path) -> pa.Table:
    """Return the rows of all parts, in the order of the plan."""
    plan = json.loads((out / "plan.json").read_text())
    return pa.concat_tables(
        [
            pq.read_table(out / f"{one['name']}.parquet").replace_schema_metadata()
            for one in plan["parts"]
        ]
    )


def test_each_row_once_with_its_vector(collection: Collection) -> None:
    """Catches a row that is lost, doubled, or beside the vector of another."""
    done = collection.encode()
    assert (done.parts, done.errors, done.missing) == (5, 2, 0)
    rows = read(collection.out)
    photos, lines = collection.photos, collection.lines
    images = [photos / name for name in ("a.png", "b.png", "d.png", "deep/c.png")]
    assert rows["id"].to_pylist() == [
        *map(str, images),
        *(f"{lines}:1", "7", f"{lines}:3", f"{lines}:4", f"{lines}:5"),
    ]
    assert rows["error"].to_pylist()[1] == "is not an image of a known format"
    assert "of type int" in rows["error"].to_pylist()[7]
    assert [one is None for one in rows["error"].to_pylist()] == [
        one.is_valid for one in rows["vector"].combine_chunks()
    ]
    good: list[RawItem] = [images[0], images[2], images[3], "one", "two", "three", "five"]
    kept = rows.filter(pa.array([one is None for one in rows["error"].to_pylist()]))
    expected = collection.model.encode(good)  # in other batches, which round otherwise
    np.testing.assert_allclose(read_vectors(kept), expected, atol=1e-6)
    assert all(tokens > 0 for tokens in kept["tokens"].to_pylist())
    manifest = json.loads((collection.out / "manifest.json").read_text())
    assert sum(one["facts"]["rows"] for one in manifest["parts"]) == 9
    assert list(check_parts(DiskFolder(collection.out))) == []


def test_what_is_there_is_skipped(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a part that is encoded again, a model opened for nothing, and a part done twice."""
    collection.encode()
    before = collection.parts

    def fail(*_: object) -> None:
        raise AssertionError("the model is opened")

    monkeypatch.setattr(job_module, "make_settings", fail)
    done = collection.encode()
    assert (done.parts, done.skipped, done.total) == (0, 5, 0)
    assert collection.parts == before


def test_a_part_done_twice_is_the_same(collection: Collection) -> None:
    """Catches a part that depends on who encodes it, or a second file of the same rows."""
    collection.encode()
    before = collection.parts
    folder = DiskFolder(collection.out)
    sources = make_sources([collection.photos, collection.lines])
    name = collection.model.loaded.name
    model = PartModel(name, lambda *_: collection.model, Opening(dtype="float32"))
    job = PartJob(sources, folder, model, PartOptions(2))
    [part] = job.read({job.plan().parts[3].name})
    tally = encode_part(part, job.settings, folder, job.model)
    assert (tally.rows, tally.errors) == (2, 1)
    assert collection.parts == before
    assert [path for path in collection.out.iterdir() if path.name.startswith(".")] == []


def test_only_what_changed_is_a_new_part(
    collection: Collection, photos: list[PIL.Image.Image]
) -> None:
    """Catches a changed photo of the same name that is skipped, and its old part left unsaid."""
    collection.encode()
    before = set(collection.parts)
    photos[3].save(collection.photos / "d.png")
    done = collection.encode()
    assert (done.parts, done.skipped) == (1, 4)
    assert len(set(collection.parts) - before) == 1
    [finding] = check_parts(DiskFolder(collection.out))
    assert finding.trouble == "doubled"
    (collection.out / finding.file).unlink()
    assert list(check_parts(DiskFolder(collection.out))) == []
    with collection.lines.open("a") as lines:
        lines.write("\nsix")
    assert collection.encode().parts == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "sts"}, "begun with the prompt retrieval, but here it is sts"),
        ({"dim": 8}, "begun with the width 64, but here it is 8"),
        ({"precision": "int8"}, "begun with the precision float32, but here it is int8"),
        ({"max_tokens": 9}, "begun with the longest item in tokens"),
        ({"part_rows": 3}, "begun with the number of rows in a part 2, but here it is 3"),
    ],
)
def test_other_settings_are_refused_and_named_otherwise(
    collection: Collection, options: dict[str, object], message: str
) -> None:
    """Catches two kinds of vectors in one folder, and a name that does not tell them apart."""
    collection.encode(photos=False)
    before = collection.parts
    with pytest.raises(DataError, match=message):
        collection.encode(photos=False, **options)
    assert collection.parts == before
    if "max_tokens" in options:
        return  # an open model has its own
    other = replace(collection, out=collection.out.with_name("other"))
    other.encode(photos=False, **options)
    assert set(other.parts).isdisjoint(before)


def test_a_worker_of_another_dtype_or_model_is_refused(
    collection: Collection, small_folder: Path
) -> None:
    """Catches vectors that differ by 5e-4 in one folder: a dtype of "auto" is the first one's."""
    collection.encode(photos=False, shard="0/2")
    before = collection.parts
    with pytest.raises(DataError, match="begun with the dtype float32, but here it is bfloat16"):
        collection.encode(photos=False, shard="1/2", model=small_folder, dtype="bfloat16")
    tuned = E5V(small_folder, dtype="float32")
    tuned.encoder.loaded.model.get_input_embeddings().weight.data[5] += 1
    with pytest.raises(DataError, match="begun with a model of fingerprint"):
        collection.encode(photos=False, shard="1/2", model=tuned)
    assert collection.parts == before
    done = collection.encode(photos=False, shard="1/2", model=small_folder)  # "auto"
    assert (done.missing, done.manifest is not None) == (0, True)
    with pytest.raises(DataError, match="begun with the dtype"):  # though there is nothing to do
        collection.encode(photos=False, model=small_folder, dtype="bfloat16")


@pytest.mark.parametrize(
    ("precision", "kind", "width"),
    [("float16", "halffloat", 64), ("int8", "int8", 64), ("binary", "uint8", 8)],
)
def test_precisions(collection: Collection, precision: Precision, kind: str, width: int) -> None:
    """Catches vectors stored as something else than they are said to be."""
    collection.encode(photos=False, precision=precision)
    rows = read(collection.out)
    assert str(rows.schema.field("vector").type) == f"fixed_size_list<element: {kind}>[{width}]"
    expected = quantise(collection.model.encode(["one"]), precision).astype(np.float32)
    atol = {"float16": 1e-3, "int8": 1}.get(precision, 0)
    np.testing.assert_allclose(read_vectors(rows.slice(0, 1)), expected, atol=atol)
    assert list(check_parts(DiskFolder(collection.out))) == []


@pytest.mark.usefixtures("warm")
def test_two_processes_one_of_them_killed(collection: Collection, small_folder: Path) -> None:
    """Catches a half-written part with a name, a lost row, and a commit without all parts."""
    read_from, out = str(collection.lines), str(collection.out)
    program = [sys.executable, "-m", "tests.parts.killed", str(small_folder), read_from, out]
    workers = [
        subprocess.Popen([*program, shard, nth], stdout=subprocess.PIPE, text=True)
        for shard, nth in (("0/2", "2"), ("1/2", "0"))
    ]
    written = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [-9, 0]
    assert written[1].splitlines()[-1].startswith("1 ")
    assert len(collection.parts) == 2
    assert len(list(collection.out.glob(".*.part"))) == 1
    assert [one.trouble for one in check_parts(DiskFolder(collection.out))] == ["missing"]
    assert not (collection.out / "manifest.json").exists()
    steps = encode_parts([collection.lines], collection.out, collection.model, part_rows=2)
    *_, done = steps
    assert (done.parts, done.skipped, done.missing) == (1, 2, 0)
    assert list(collection.out.glob(".*.part")) == []
    ids = read(collection.out)["id"].to_pylist()
    assert (len(ids), len(set(ids))) == (5, 5)


def test_a_file_that_changes_meanwhile(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a part of the name of the old photo with the vector of the new one."""

    def change(part: Part, *arguments: Any, **options: Any) -> PartTally:
        (collection.photos / "a.png").write_bytes(b"other")
        return encode_part(part, *arguments, **options)

    monkeypatch.setattr(job_module, "encode_part", change)
    with pytest.raises(DataError, match="changed while it was encoded; run this again"):
        collection.encode()
    assert collection.parts == {}


def test_inputs_that_cannot_be_parts(tmp_path: Path, model: E5V) -> None:
    """Catches an input that another worker reads otherwise, or not at all."""
    for wrong, message in (
        ([], "nothing to encode"),
        ([tmp_path, tmp_path], "given twice"),
        ([tmp_path / "gone.jsonl"], "does not exist"),
        ([tmp_path / "gone.png"], "does not exist"),
        ([PIL.Image.new("RGB", (8, 8))], "a PIL image is no input of parts"),
        (["s3:///photos/"], "s3:// names no bucket"),
        ([Path("https://a.b/photos/")], "is a URL"),
    ):
        with pytest.raises(UsageError, match=message):
            encode_parts(wrong, tmp_path / "out", model, part_rows=2)
    with pytest.raises(UsageError, match="part_rows is 0"):
        encode_parts(["a"], tmp_path / "out", model, part_rows=0)
    with pytest.raises(UsageError, match="is a URL"):
        encode_parts(["a"], "https://a.b/parts", model, part_rows=1)
    assert list(tmp_path.iterdir()) == []
