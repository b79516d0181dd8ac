"""`evaluate` as a Python user calls it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from e5v import E5V, UsageError
from e5v.cli import main
from e5v.evaluation.evaluate import EvaluationOptions, evaluate
from tests.evaluation.asked import write_cirr

Checkpoints = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path, photos: list[Image.Image]) -> Path:
    """Give a folder of 12 captioned images."""
    (tmp_path / "own" / "images").mkdir(parents=True)
    for number in range(12):
        photos[number % 4].rotate(30 * number).save(tmp_path / "own" / "images" / f"{number}.png")
    rows = [json.dumps({"image": f"{n}.png", "text": f"photo {n}"}) for n in range(12)]
    (tmp_path / "own" / "captions.jsonl").write_text("\n".join(rows))
    return tmp_path / "own"


def test_one_call_gives_what_the_verb_prints(
    folder: Path, checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a call from Python that measures something else than the command line."""
    name = str(checkpoints("llava_next_llama3"))
    assert main(["evaluate", name, "--data", str(folder), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    report = evaluate(name, data=str(folder))
    assert [(one.task, one.metric, one.value) for one in report.scores] == [
        (line["task"], line["metric"], line["value"]) for line in lines
    ]
    assert report.results.setting.model == name
    assert capsys.readouterr().out == "", "the library is silent"


def test_options_reach_the_scores(folder: Path, model: E5V, tmp_path: Path) -> None:
    """Catches a gap, an ablation or a cache that is accepted and passed over."""
    options = EvaluationOptions(gap=True, ablate="prompt", cache=tmp_path / "cache.db")
    report = evaluate(model, data=folder, options=options)
    names = [f"own folder, {label}" for label in ("no prompt", "prompt", "one word")]
    assert list(dict.fromkeys(one.benchmark for one in report.scores)) == names
    assert list(report.gaps) == names
    again = evaluate(model, data=folder, options=options)
    assert [run.embedded for run in again.results.setting.runs] == [0, 0, 0]


def test_ranks_are_those_of_the_scores(folder: Path, model: E5V) -> None:
    """Catches ranks of another variant: two models would be compared on other answers."""
    report = evaluate(model, data=folder, options=EvaluationOptions(ablate="prompt"))
    recalls = {(one.benchmark, one.task): one.value for one in report.scores if one.metric == "R@1"}
    assert recalls.keys() == report.ranks.keys()
    for search, ranks in report.ranks.items():
        first = [int(own[0]) == 0 for own in ranks]
        assert recalls[search] == pytest.approx(100 * sum(first) / len(first))


def test_the_prompts_of_table_6_are_asked_for_alone(folder: Path, model: E5V) -> None:
    """Catches a model trained without a prompt that is measured with one."""
    report = evaluate(model, data=folder, options=EvaluationOptions(prompts="no prompt"))
    every = evaluate(model, data=folder, options=EvaluationOptions(ablate="prompt"))
    values = [one.value for one in report.scores]
    assert values == [one.value for one in every.scores if one.benchmark.endswith(", no prompt")]
    assert report.results.setting.prompts["retrieval, text"] == "<text>"


def test_a_report_shows_and_writes_itself(
    folder: Path, model: E5V, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a text that is not the table, and a report without one of its files."""
    report = evaluate(model, data=folder)
    report.table()
    assert "image retrieval" in capsys.readouterr().out
    assert "image retrieval" in str(report)
    assert "\x1b" not in str(report)
    assert report.write(tmp_path / "out") == []
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"report.json", "report.md", "report.html", "ranks.json"}
    ranks = json.loads((tmp_path / "out" / "ranks.json").read_text())
    assert {
        (benchmark, task): best for benchmark, own in ranks.items() for task, best in own.items()
    } == {search: [own[0] for own in places] for search, places in report.ranks.items()}


def test_a_report_writes_files_for_a_test_server(
    model: E5V, photos: list[Image.Image], tmp_path: Path
) -> None:
    """Catches rankings that only the command line can write."""
    cirr = write_cirr(tmp_path / "cirr")
    for number, path in enumerate(sorted(cirr.glob("dev/*.png"))):
        photos[number % 4].rotate(number).save(path)
    written = evaluate(model, "cirr-test", data=cirr).write(tmp_path / "out")
    assert [path.name for path in written] == ["CIRR-recall.json", "CIRR-recall_subset.json"]
    assert all(json.loads(path.read_text())["version"] for path in written)


def test_mistakes_are_reported_before_a_model_is_opened(folder: Path) -> None:
    """Catches minutes of opening a model before a wrong name is noticed."""
    with pytest.raises(UsageError, match="coc"):
        evaluate("no-such-model", "coc", data=folder)
