"""`e5v data fetch` and `list` as a user meets them, with the package's own readers."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from e5v.cli import main
from e5v.data.records import RECORDS
from e5v.evaluation.benchmark_data import find_folder, read_benchmark
from e5v.evaluation.benchmarks import find_benchmarks
from e5v.training.reading import read_triplets
from tests.data.file_hub import COMMIT, FileHub
from tests.model.fake_hub import refusing
from tests.verbs.data.made import NLI, ROWS, SIMCSE, lines_of

Capture = pytest.CaptureFixture[str]


def test_fetched_data_are_evaluated_and_trained_on(
    hub: FileHub, tmp_path: Path, capsys: Capture
) -> None:
    """Data in a layout that no other verb takes, or that are downloaded a second time."""
    root = tmp_path / "data"
    assert main(["data", "fetch", *ROWS, "--data", str(root)]) == 0
    fetched = {line["name"]: line for line in lines_of(capsys)}
    assert {name: line["rows"] for name, line in fetched.items()} == ROWS
    assert fetched["coco"]["revisions"] == {"royokong/coco_test": COMMIT}
    assert not list(root.rglob("*.part"))
    assert not [*root.rglob("*.zip"), *root.rglob("*.tar"), *root.rglob("other.txt")]

    hub.asked.clear()
    for benchmark in find_benchmarks(
        ["flickr30k", "coco", "cirr", "cirr-test", "fashioniq", "sts"]
    ):
        folder = find_folder(benchmark, root)
        assert folder is not None
        assert read_benchmark(benchmark, folder).tasks
    triplets = read_triplets([root / "nli" / "nli_for_simcse.csv"])
    pairs = read_triplets([root / "llava-pretrain" / "captions.jsonl"])
    assert (len(triplets.rows), len(pairs.rows), pairs.broken) == (2, 2, ())
    assert pairs.rows[1].positive == "a blue square"
    assert main(["data", "fetch", *ROWS, "--data", str(root)]) == 0
    assert {line["fresh"] for line in lines_of(capsys)} == {False}
    assert hub.asked == []

    assert main(["data", "check", "--data", str(root), "--all-images"]) == 0
    checks = {(line["data"], line["check"]) for line in lines_of(capsys)}
    assert {name for name, _ in checks} == set(ROWS)
    opened = {name for name, check in checks if check == "opened images"}
    assert opened == {"flickr30k", "coco", "cirr", "fashioniq", "llava-pretrain"}


def test_an_unfinished_fetch_is_not_evaluated(
    hub: FileHub, tmp_path: Path, capsys: Capture
) -> None:
    """Half of COCO's images, among which everything is found."""
    command = ["data", "fetch", "coco", "--data", str(tmp_path)]
    hub.manners.cuts, hub.manners.cut = 1, 0
    assert main(command) == 1
    assert "stopped at 0 of" in capsys.readouterr().err
    evaluate = ["evaluate", "nano", "--benchmark", "coco", "--data", str(tmp_path)]
    assert main(evaluate) == 1
    expected = f"coco is not complete; finish it with: e5v data fetch coco --data {tmp_path}\n"
    assert capsys.readouterr().err.endswith(expected)
    assert main(["data", "list", "coco", "--data", str(tmp_path)]) == 0
    assert lines_of(capsys)[0]["state"] == "unfinished"
    assert main(["data", "check", "--data", str(tmp_path)]) == 1
    expected = "e5v: coco, source: an unfinished fetch; expected a finished one (fetch it again)\n"
    assert capsys.readouterr().err == expected
    assert main(command) == 0


@pytest.mark.usefixtures("small")
def test_no_network_is_one_line(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback of five screens."""
    monkeypatch.setattr(constants, "ENDPOINT", refusing())
    assert main(["data", "fetch", "nli", "--data", str(tmp_path)]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "e5v: nli: no revision is pinned; what comes is written down in source.json"
    assert second.startswith(f"e5v: the data set {SIMCSE} is not reachable: 127.0.0.1:")


def test_the_table_has_every_data_set(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A licence or a size that nobody is told before a download of a night."""
    monkeypatch.setattr("e5v.verbs.data.wants_lines", lambda json: json)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "nli").mkdir()
    (tmp_path / "nli" / "nli_for_simcse.csv").write_bytes(NLI)
    assert main(["data", "list", "--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in shown for name in RECORDS)
    for said in (
        "275,601 triplets",
        "not pinned",
        "27,581 MB",
        "a copy, not checked",
        "over 609 MB",
    ):
        assert said in shown
    assert "8,329 queries, 4,612 images" in shown
