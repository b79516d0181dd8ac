"""`e5v export`, and `e5v search --store`: the same hits from a database as from the index."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from e5v.cli import main
from tests.verbs.done import PHOTOS, Run


@pytest.fixture(scope="module")
def store(index: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Export that index, and give the collection's URL."""
    url = f"qdrant://{tmp_path_factory.mktemp('qdrant')}/photos"
    assert main(["export", "--index", str(index), "--to", url]) == 0
    return url


def export(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    """Export, and return what was said."""
    capsys.readouterr()
    assert main(["export", *map(str, arguments)]) == 0
    written = capsys.readouterr()
    assert written.err == ""
    told: dict[str, object] = json.loads(written.out)
    return told


def test_what_was_exported(
    index: Path, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a count that is not so, and a file that is not written."""
    told = export(capsys, "--index", index, "--to", store)
    assert told == {"to": store, "rows": 5, "sent": 0, "removed": 0}
    path = tmp_path / "out.parquet"
    told = export(capsys, "--index", index, "--to", path, "--no-thumbnails")
    assert told == {"to": str(path), "rows": 5, "sent": 5, "removed": 0}
    assert pq.read_table(path)["thumbnail"].to_pylist() == [b""] * 5


@pytest.mark.parametrize(
    "arguments",
    [
        ["a", "rocket"],
        ["--image", PHOTOS / "cat.jpg", "-k", 2],
        ["as a rocket", "--image", PHOTOS / "cat.jpg"],
        ["a cat", "--without", "a rocket", "--where", "kind = 'image' AND path LIKE '%cat.j_g'"],
        ["a cat", "--min-score", 1],
    ],
)
def test_a_store_is_searched_as_the_index(
    index: Path, store: str, run: Run, arguments: list[object]
) -> None:
    """Catches lines that are not those of the index."""
    expected, found = (
        run("search", *arguments, *place) for place in (["--index", index], ["--store", store])
    )
    assert (found.code, found.err) == (0, "")
    scores = [[line.pop("score") for line in done.lines] for done in (found, expected)]
    assert found.lines == expected.lines
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_the_model_is_that_of_the_collection(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a model that has to be named again, and another one's vectors."""
    capsys.readouterr()
    assert main(["search", "a cat", "--store", store, "-k", "1"]) == 0
    assert capsys.readouterr().err == ""
    for verb in (["search", "a cat"], ["serve", "--port", "0"]):
        assert main([*verb, "--store", store, "--model", "nano", "--dtype", "float32"]) == 1
        assert "their vectors cannot be compared" in capsys.readouterr().err.splitlines()[-1]


def test_another_index_is_refused(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches vectors of two models in one collection."""
    (tmp_path / "note.txt").write_text("a cat")
    other = ["--index", str(tmp_path / "other")]
    assert main(["index", str(tmp_path / "note.txt"), *other, "--model", "nano"]) == 0
    capsys.readouterr()
    assert main(["export", *other, "--to", store]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("export to another collection (--to)")


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["search", "a", "--store", "{store}x"], "does not exist; export an index to it", 2),
        (["search", "a", "--store", "qdrant://{folder}/none/c"], "check the path (--store)", 2),
        (["search", "a", "--store", "qdrant://127.0.0.1:1/c"], "cannot be reached", 1),
        (["serve", "--store", "milvus://127.0.0.1:1/c"], "cannot be reached", 1),
        (["search", "a", "--store", "postgresql://x:pw@127.0.0.1:1/d/t"], "cannot be reached", 1),
        (["search", "a", "--store", "{store}", "--image", "none.jpg"], "none.jpg does not", 2),
    ],
)
def test_what_is_found_before_torch_is_imported(
    store: str, tmp_path: Path, arguments: list[str], message: str, code: int
) -> None:
    """Catches a traceback, and a mistake that is told after seconds of imports."""
    program = (
        "import sys; from e5v.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(f'{code} {\"torch\" in sys.modules}')"
    )
    named = [one.format(store=store, folder=tmp_path) for one in arguments]
    command = [sys.executable, "-c", program, *named]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    line, outcome = ended.stderr.splitlines()
    assert line.startswith("e5v: ")
    assert message in line
    assert ":pw@" not in line
    assert outcome == f"{code} False"
    assert not list(tmp_path.iterdir())
