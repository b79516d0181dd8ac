"""`e5v train` as a user meets it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from e5v.cli import main
from e5v.files import LOCKS

Checkpoints = Callable[[str], Path]
SHORT = ["--steps", "2", "--batch", "8", "--rank", "2", "--warmup", "1", "--dtype", "float32"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give 30 rows of triplets, two of them broken."""
    rows = [f"a {n} dog runs,an animal {n} moves,a {n} dog sleeps,web" for n in range(28)]
    file = tmp_path / "nli.csv"
    file.write_text("\n".join(["sent0,sent1,hard_neg,source", ",no,x,", *rows, "no positive,,x,"]))
    return file


@pytest.fixture
def command(checkpoints: Checkpoints, data: Path, tmp_path: Path) -> list[str]:
    """Give the arguments of a run of two steps."""
    model = str(checkpoints("llava_next_llama3"))
    return ["train", "--model", model, "--data", str(data), "--out", str(tmp_path / "run"), *SHORT]


def test_a_line_a_step(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A run that nobody can follow, and rows that vanish without a word."""
    assert main(command) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert {"loss", "accuracy", "lr", "tokens_per_second", "seconds_left"} <= lines[0].keys()
    assert "2 rows cannot be used" in printed.err
    assert "row 1" in printed.err
    assert "28 rows" in printed.err
    assert "nli.csv: ignored columns: source\n" in printed.err
    names = {path.name for path in (tmp_path / "run").iterdir()} - LOCKS
    assert names == {"recipe.json", "log.jsonl", "checkpoint-000002", "adapter", "training.png"}


def test_lines_for_a_reader(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON on a terminal."""
    monkeypatch.setattr("e5v.verbs.train.wants_lines", lambda *, json: json)
    assert main(command) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("step 1/2  loss ")
    assert "accuracy" in first
    assert second.endswith("0:00:00 left")


def test_files_with_weights(
    command: list[str], data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A name with a colon that is taken for a weight, or a step that hides what it trained on."""
    other = data.rename(tmp_path / "b:0.5.csv").name
    data.write_text((tmp_path / other).read_text())
    at = command.index("--data") + 1
    command[at : at + 1] = [f"{data}:3", f"{tmp_path / other}:1"]
    assert main(command) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [line["sources"] for line in lines] == [{"nli.csv": 6, "b:0.5.csv": 2}] * 2
    assert "56 rows" in printed.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--batch", "500"], 1, "28 usable rows, fewer than a batch of 500"),
        (["--data", "missing.csv"], 2, "missing.csv"),
        (["--prompt", "say it"], 2, "no slot"),
        (["--prompt", "<image> in one word:"], 2, "has no <text> slot"),
        (["--dims", "99999"], 2, "dims has 99999"),
        (["--train", "projector"], 1, "learns from images, and the data have none"),
        (["--shard"], 2, "among several processes, and this is one"),
    ],
)
def test_mistakes_are_told_in_a_line(
    command: list[str],
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A traceback, or a folder left behind by a run that never began."""
    assert main([*command, *arguments]) == code
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments", [["--steps", "0"], ["--lr", "0"], ["--every", "0"], ["--seed", str(2**32)]]
)
def test_values_out_of_range_are_refused(
    command: list[str], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that divides by zero after the model is loaded."""
    with pytest.raises(SystemExit) as end:
        main([*command, *arguments])
    assert end.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_the_tuned_model_of_the_package_is_not_tuned_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An hour of training that nothing can be merged into."""
    with pytest.raises(SystemExit) as end:
        main(["train", "--model", "nano", "--data", "a.csv", "--out", "run"])
    assert end.value.code == 2
    assert "expected nano-base" in capsys.readouterr().err


def _lines(run: Path) -> list[str]:
    return (run / "log.jsonl").read_text().splitlines()


@pytest.mark.usefixtures("warm")
def test_a_killed_run_goes_on(command: list[str], tmp_path: Path) -> None:
    """A kill -9 that costs more than the steps since the last checkpoint."""
    program = [sys.executable, "-m", "e5v.cli", *command, "--steps", "30", "--every", "1"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (latest,) = (path for path in (tmp_path / "run").glob("checkpoint-*[0-9]"))
    assert int(latest.name[-6:]) >= 2
    assert main([*command, "--steps", "30", "--every", "1", "--resume"]) == 0
    steps = [json.loads(line)["step"] for line in _lines(tmp_path / "run")]
    assert steps == list(range(1, 31))
