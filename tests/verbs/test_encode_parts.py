"""`e5v encode --part-rows` and `--check`, and `e5v index --vectors`: what they say, exit codes."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from e5v.cli import main
from tests.verbs.done import PHOTOS, Done, Run


@pytest.fixture
def encode(run: Run, tmp_path: Path) -> Callable[..., Done]:
    """Return a function that encodes two texts and a file of two lines, a row in each part."""
    lines = tmp_path / "lines.jsonl"
    lines.write_text('"s3://bucket/x"\n{"text": "two", "id": "second"}\n')

    def encode(*arguments: object) -> Done:
        given = ["one", lines, "--text", "s3://bucket/x", "--out", tmp_path / "parts"]
        return run("encode", *given, "--part-rows", 1, *arguments)

    return encode


def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> Done:
    """Run `e5v encode --check`."""
    code = main(["encode", "--check", str(folder)])
    written = capsys.readouterr()
    return Done(code, written.out, written.err, [*map(json.loads, written.out.splitlines())])


def test_shards_commit_and_check(
    encode: Callable[..., Done],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches a worker that fails for want of the others, and one that hides what is missing."""
    out = tmp_path / "parts"
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "5")  # as the second of two
    for name, value in (("COUNT", 2), ("MIN", 4), ("STEP", 1)):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    done = encode("--commit")
    assert (done.code, done.err) == (1, "e5v: not committed: 2 parts missing\n")
    counts = {"parts": 2, "skipped": 0, "errors": 1, "cut": 0}
    assert done.lines == [counts | {"out": str(out), "missing": 2, "committed": False}]
    assert main(["encode", "--out", str(out), "--commit"]) == 1
    assert "lacks 2 of 4 parts, the first is" in capsys.readouterr().err
    checked = check(out, capsys)
    assert (checked.code, [one["trouble"] for one in checked.lines]) == (1, ["missing"] * 2)
    assert checked.err == f"e5v: 2 troubles in {out}\n"
    (out / "stray.parquet").write_bytes(b"x")
    done = encode("--shard", "0/2")
    assert (done.code, done.lines[0]["rows"], done.lines[0]["all_errors"]) == (0, 4, 1)
    assert [one["trouble"] for one in check(out, capsys).lines] == ["foreign"]
    (out / "stray.parquet").unlink()
    assert check(out, capsys).code == 0
    part = sorted(out.glob("*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:-1])
    assert [one["trouble"] for one in check(out, capsys).lines] == ["damaged"]
    part.unlink()
    assert encode("--shard", "0/1").lines[0]["parts"] == 1
    rows = [row for path in out.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    told = {row["id"]: row["error"] for row in rows}
    assert told.pop(f"{tmp_path}/lines.jsonl:1").startswith("is the URL s3://bucket/x")
    assert told == {"one": None, "second": None, "s3://bucket/x": None}


def test_on_a_terminal(
    encode: Callable[..., Done],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches JSON for a person, and a sentence that does not say what is left to do."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out = tmp_path / "parts"
    done = encode("--shard", "0/2")
    told = "2 parts encoded, 0 there before; 0 rows without a vector."
    assert done.out.splitlines() == [told, f"2 parts of {out} still missing."]
    assert main(["encode", "--check", str(out)]) == 1
    assert capsys.readouterr().out.startswith("missing ")
    done = encode("--shard", "1/2")
    assert done.out.splitlines()[1] == f"{out} is committed: 4 rows in 4 parts, 1 without a vector."


def test_files_that_are_no_images(run: Run, tmp_path: Path) -> None:
    """Catches a folder of which half is left out without a word, or counted at each reading."""
    (tmp_path / "things").mkdir()
    for name in ("a.png", "b.mov", "c.mov"):
        (tmp_path / "things" / name).write_bytes(b"x")
    done = run("encode", tmp_path / "things", "--out", tmp_path / "parts", "--part-rows", 1)
    assert (done.code, done.lines[0]["errors"]) == (0, 1)
    assert done.err == "e5v: left out of the folders: 2 .mov\n"


def test_an_index_of_parts(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run that says that it embedded, and captions that are lost."""
    out, index = tmp_path / "parts", tmp_path / "index"
    assert run("encode", PHOTOS, "--for-index", "--out", out, "--part-rows", 3).code == 0
    arguments = ["index", "--vectors", str(out), "--index", str(index)]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"items": 5, "adopted": 5, "embedded": 0, "unreadable": []}.items() <= told.items()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(arguments) == 0
    assert "5 items in" in (said := capsys.readouterr().out)
    assert "0 adopted, 0 reused, 0 removed" in said
    done = run("index", "--index", index)
    assert "0 embedded, 0 reused, 0 removed" in done.out
    monkeypatch.undo()
    found = run("search", "a cat", "--index", index, "-k", 9).lines
    assert "a close look at the face of a cat" in {hit["text"] for hit in found}
